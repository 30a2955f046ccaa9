//! The whole system through its public face: the real binary, stock clients from npm, and raw frames. One file a promise.

mod accounts;
mod awareness;
mod behind_nginx;
mod chaos;
mod containers;
mod converge;
mod differential;
mod durability;
mod events;
mod hostile;
mod keepalive;
mod keys;
mod permissions;
mod pool;
mod process;
mod pulls;
mod rooms;
mod support;
