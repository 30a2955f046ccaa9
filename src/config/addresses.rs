//! Addresses as people write them. An error shows what was written, and what it should look like.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, de::Error};

pub(super) fn listening<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    read(&text, "an IP address with a port, such as 127.0.0.1:7000")
}

pub(super) fn of_proxies<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpAddr>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| read(text, "an IP address")).collect()
}

fn read<T: FromStr, E: Error>(text: &str, wanted: &str) -> Result<T, E> {
    text.parse().map_err(|_| E::custom(format_args!("{text:?} is not {wanted}")))
}
