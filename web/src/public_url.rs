//! How people reach the control plane, when a proxy in front of us hides it. Owns the form of that URL.

use std::{fmt, str::FromStr};

use http::uri::{Authority, Scheme, Uri};

/// `http://host[:port]` or `https://host[:port]`, without a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    tls: bool,
    authority: Authority,
}

/// A text that is not such a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be http://host or https://host, with a port or without, and nothing behind it")]
pub struct NotPublicUrl;

impl PublicUrl {
    /// Whether people come over TLS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Host, and the port if it is not the scheme's own.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }
}

impl FromStr for PublicUrl {
    type Err = NotPublicUrl;

    fn from_str(text: &str) -> Result<Self, NotPublicUrl> {
        let parts = text.parse::<Uri>().map_err(|_| NotPublicUrl)?.into_parts();
        let tls = match parts.scheme {
            Some(scheme) if scheme == Scheme::HTTPS => true,
            Some(scheme) if scheme == Scheme::HTTP => false,
            Some(_) | None => return Err(NotPublicUrl),
        };
        let bare = parts.path_and_query.is_none_or(|path| path == "/");
        match parts.authority {
            Some(authority) if bare && !authority.as_str().contains('@') => Ok(Self { tls, authority }),
            Some(_) | None => Err(NotPublicUrl),
        }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_a_scheme_and_a_host() {
        for good in ["http://localhost", "https://orrery.example", "https://orrery.example:8443", "http://[::1]:7000"] {
            let url: PublicUrl = good.parse().unwrap();
            assert_eq!((url.to_string().as_str(), url.is_tls()), (good, good.starts_with("https")));
        }
        assert_eq!("https://a.example/".parse::<PublicUrl>().unwrap().to_string(), "https://a.example");
        for bad in
            ["", "localhost", "ftp://a", "https://", "https://a/b", "https://a/?q", "https://u@a", "//a", "https:"]
        {
            assert_eq!(bad.parse::<PublicUrl>(), Err(NotPublicUrl), "{bad:?}");
        }
    }
}
