//! Where the data base is. Owns the two forms of its URL and keeps the password in them from being printed.

use std::{
    fmt::{self, Write as _},
    path::{Path, PathBuf},
    str::FromStr,
};

use sqlx::any::AnyConnectOptions;

/// Where the data base is: a file of this host, or a PostgreSQL server. Printed without user, password and options.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(Place);

#[derive(Clone, PartialEq, Eq)]
enum Place {
    Sqlite(PathBuf),
    Postgres {
        /// As it was given: with its password.
        url: String,
        /// Host, port and data base only.
        shown: String,
    },
}

/// A text that says no place for a data base. Does not repeat the text: there may be a password in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a data base URL is sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE")]
pub struct InvalidDatabaseUrl;

impl DatabaseUrl {
    /// A file, made when it is first opened.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self(Place::Sqlite(path.into()))
    }

    /// The file, if it is one.
    pub fn sqlite_path(&self) -> Option<&Path> {
        match &self.0 {
            Place::Sqlite(path) => Some(path),
            Place::Postgres { .. } => None,
        }
    }

    /// In the form that the driver takes, password included.
    pub(super) fn connection_url(&self) -> Result<String, InvalidDatabaseUrl> {
        match &self.0 {
            Place::Sqlite(path) => {
                let path = std::path::absolute(path).map_err(|_| InvalidDatabaseUrl)?;
                let path = path.to_str().ok_or(InvalidDatabaseUrl)?;
                let mut url = String::from("sqlite://");
                for byte in path.bytes() {
                    if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
                        url.push(char::from(byte));
                    } else {
                        write!(url, "%{byte:02X}").expect("a string takes every text");
                    }
                }
                Ok(url)
            }
            Place::Postgres { url, .. } => Ok(url.clone()),
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = InvalidDatabaseUrl;

    fn from_str(text: &str) -> Result<Self, InvalidDatabaseUrl> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() { Err(InvalidDatabaseUrl) } else { Ok(Self::sqlite(path)) };
        }
        // What cannot be told apart into host and password is refused, because it could not be printed safely either.
        let url = text.parse::<AnyConnectOptions>().map_err(|_| InvalidDatabaseUrl)?.database_url;
        if !matches!(url.scheme(), "postgres" | "postgresql") || url.cannot_be_a_base() {
            return Err(InvalidDatabaseUrl);
        }
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let shown = format!("postgres://{}{port}{}", url.host_str().unwrap_or_default(), url.path());
        Ok(Self(Place::Postgres { url: text.to_owned(), shown }))
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Place::Postgres { shown, .. } => f.write_str(shown),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_file_or_a_server() {
        for (text, printed) in [
            ("sqlite:/var/lib/orrery/data.db", "sqlite:/var/lib/orrery/data.db"),
            ("sqlite:///var/lib/orrery/data.db", "sqlite:/var/lib/orrery/data.db"),
            ("sqlite:data.db", "sqlite:data.db"),
            ("postgres://db.example/orrery", "postgres://db.example/orrery"),
            ("postgresql://[::1]:5433/orrery", "postgres://[::1]:5433/orrery"),
            ("postgres:///orrery?host=/run/postgresql", "postgres:///orrery"),
        ] {
            assert_eq!(text.parse::<DatabaseUrl>().map(|url| url.to_string()), Ok(printed.to_owned()), "{text}");
        }
        for bad in ["", "sqlite:", "postgres:", "postgres:orrery", "mysql://db.example/orrery", "/data.db"] {
            assert_eq!(bad.parse::<DatabaseUrl>(), Err(InvalidDatabaseUrl), "{bad:?}");
        }
    }

    #[test]
    fn a_password_is_never_printed() {
        for url in [
            "postgres://orrery:hunter2@db.example:5432/orrery?sslmode=require",
            "postgres://orrery:with@hunter2@db.example:5432/orrery",
            "postgres://db.example:5432/orrery?password=hunter2",
            "postgresql://orrery:hunter2@db.example:5432/orrery#hunter2",
        ] {
            let url: DatabaseUrl = url.parse().unwrap();
            assert_eq!(url.to_string(), "postgres://db.example:5432/orrery");
            assert!(!format!("{url:?}").contains("hunter2"));
            assert!(url.connection_url().unwrap().contains("hunter2"));
        }
    }

    #[test]
    fn a_password_that_could_be_taken_for_a_host_is_refused() {
        for url in ["postgres://orrery:hunter2/x@db.example/orrery", "postgres://orrery:hunter2?x@db.example/orrery"] {
            assert_eq!(url.parse::<DatabaseUrl>(), Err(InvalidDatabaseUrl), "{url}");
        }
    }

    #[test]
    fn a_path_may_hold_what_a_url_may_not() {
        let url = DatabaseUrl::sqlite("/data/50% of #1?/ä b.db").connection_url().unwrap();
        assert_eq!(url, "sqlite:///data/50%25%20of%20%231%3F/%C3%A4%20b.db");
    }
}
