//! Sans-IO core of Orrery: everything that decides, nothing that waits.
//!
//! Bytes of a peer pass the [`guard`], become input of a [`room`], and come out as effects that the shell performs. No
//! module here reads a clock, a socket, a file or a random number; `Cargo.toml` proves it.

pub mod access;
pub mod allocation;
pub mod awareness;
pub mod command;
pub mod container;
pub mod control;
pub mod document;
pub mod guard;
pub mod id;
pub mod idle;
pub mod image;
pub mod json;
pub mod lease;
pub mod lib0;
pub mod limits;
pub mod project;
pub mod record;
pub mod room;
pub mod route;
pub mod websocket;
pub mod wire;
