//! Reading columns. Owns the forms in which ids, times and truth are stored.

use std::{fmt::Display, str::FromStr};

use sqlx::{Row as _, any::AnyRow};

use super::DatabaseError;

/// A row whose columns are read by name.
pub trait Row {
    /// A text.
    fn text(&self, column: &str) -> Result<String, DatabaseError>;
    /// Something that is stored as text, such as an id or a role. `expected` is a noun phrase.
    fn parsed<T: FromStr>(&self, column: &str, expected: &'static str) -> Result<T, DatabaseError>;
    /// A number that is never negative, such as a time in unix milliseconds.
    fn number(&self, column: &str) -> Result<u64, DatabaseError>;
    /// The same, or nothing.
    fn optional_number(&self, column: &str) -> Result<Option<u64>, DatabaseError>;
    /// Stored as 0 or 1.
    fn truth(&self, column: &str) -> Result<bool, DatabaseError>;
}

impl Row for AnyRow {
    fn text(&self, column: &str) -> Result<String, DatabaseError> {
        Ok(self.try_get(column)?)
    }

    fn parsed<T: FromStr>(&self, column: &str, expected: &'static str) -> Result<T, DatabaseError> {
        let text = self.text(column)?;
        text.parse().map_err(|_| DatabaseError::damaged(&text, expected))
    }

    fn number(&self, column: &str) -> Result<u64, DatabaseError> {
        not_negative(self.try_get::<i64, _>(column)?)
    }

    fn optional_number(&self, column: &str) -> Result<Option<u64>, DatabaseError> {
        self.try_get::<Option<i64>, _>(column)?.map(not_negative).transpose()
    }

    fn truth(&self, column: &str) -> Result<bool, DatabaseError> {
        Ok(self.try_get::<i64, _>(column)? != 0)
    }
}

fn not_negative<N: TryInto<u64> + Display + Copy>(number: N) -> Result<u64, DatabaseError> {
    number.try_into().map_err(|_| DatabaseError::damaged(&number.to_string(), "a number that is not negative"))
}

/// A number as the data base takes it. Times and counts stay below this bound for 292 million years.
pub fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
