//! Why people are refused: one enum per operation.

use super::{InvalidInput, passwords::Busy};
use crate::database::DatabaseError;

/// Why nobody was signed up.
#[derive(Debug, thiserror::Error)]
pub enum SignUpError {
    /// Fields `email`, `password`, `name`.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// Somebody with this address has an account.
    #[error("there is an account with this e-mail address")]
    EmailTaken,
    /// Too many passwords are being hashed.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The data base.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// No such account, or another password: it is not said which, and takes as long.
    #[error("the e-mail address or the password is wrong")]
    Refused,
    /// Too many passwords are being hashed.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The data base.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Why a password stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    /// Field `password`.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// The password so far is another, or there is no such account.
    #[error("the password is wrong")]
    Refused,
    /// Too many passwords are being hashed.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The data base.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Why an account stays.
#[derive(Debug, thiserror::Error)]
pub enum DeleteAccountError {
    /// The password is another, or there is no such account.
    #[error("the password is wrong")]
    Refused,
    /// An organization would be left without an owner.
    #[error("an organization would be left without an owner: give it another one, or delete it")]
    LastOwner,
    /// Nobody could look after the installation any more.
    #[error("the administrator's account cannot be deleted")]
    Administrator,
    /// Too many passwords are being hashed.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The data base.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Why there is no new session.
#[derive(Debug, thiserror::Error)]
pub enum OpenSessionError {
    /// No such account.
    #[error("there is no such account")]
    NoSuchUser,
    /// The data base.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Why there is no new API key.
#[derive(Debug, thiserror::Error)]
pub enum CreateKeyError {
    /// Fields `name`, `scopes`, `expires_at`.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// The user has [`API_KEYS_MAX`](super::API_KEYS_MAX).
    #[error("there are {} API keys already", super::API_KEYS_MAX)]
    TooMany,
    /// No such account.
    #[error("there is no such account")]
    NoSuchUser,
    /// The data base.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// So that `?` takes what the driver says all the way.
macro_rules! from_driver {
    ($($error:ident),+) => {
        $(impl From<sqlx::Error> for $error {
            fn from(error: sqlx::Error) -> Self {
                Self::Database(error.into())
            }
        })+
    };
}

from_driver!(SignUpError, SignInError, ChangePasswordError, DeleteAccountError, OpenSessionError, CreateKeyError);
