//! Why a name server did not do what it was asked for.

use orrery_protocol::container::Domain;

use crate::database::DatabaseError;

/// What a name server said, or that it said nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    /// Nobody is there.
    #[error("the name server is not reached: {0}")]
    Unreachable(String),
    /// It takes too long.
    #[error("the name server does not answer in time")]
    TimedOut,
    /// It has trouble of its own.
    #[error("the name server fails ({status}): {message}")]
    Failing {
        /// Of its answer.
        status: u16,
        /// What it says.
        message: String,
    },
    /// It does not know the key.
    #[error("the name server does not accept dns.api_token")]
    Unauthorized,
    /// It does not have the zone.
    #[error("the name server has no zone {0}: run `orrery dns setup`")]
    NoZone(Domain),
    /// It does not do what it is asked, and will not.
    #[error("the name server refuses ({status}): {message}")]
    Refused {
        /// Of its answer.
        status: u16,
        /// What it says.
        message: String,
    },
    /// It says something that cannot be read.
    #[error("the name server's answer cannot be read: {0}")]
    Unreadable(String),
}

impl DnsError {
    /// Whether asking again may help.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TimedOut | Self::Failing { .. } => true,
            Self::Unauthorized | Self::NoZone(_) | Self::Refused { .. } | Self::Unreadable(_) => false,
        }
    }

    /// As it is called in metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::TimedOut => "timed_out",
            Self::Failing { .. } => "failing",
            Self::Unauthorized => "unauthorized",
            Self::NoZone(_) => "no_zone",
            Self::Refused { .. } => "refused",
            Self::Unreadable(_) => "unreadable",
        }
    }
}

/// Why the zone was not brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The name server.
    #[error(transparent)]
    Dns(#[from] DnsError),
    /// It is not known which organizations there are.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
