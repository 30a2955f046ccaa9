//! Ganymede's API for people, over the real routes and a real data base.

mod access;
mod accounts;
mod description;
mod gateways;
mod input;
mod installation;
mod organizations;
mod rates;
