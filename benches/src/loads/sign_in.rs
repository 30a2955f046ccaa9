//! People sign in, eight at once: what a sign-in costs, and how many a second there are.

use std::time::Instant;

use anyhow::Result;
use futures_util::future::try_join_all;

use super::{Outcome, scaled};
use crate::server::Server;
use crate::stats::ms;

const TOGETHER: usize = 8;
/// Under the limit of sign-ins that one address has in a minute.
const SIGN_INS: usize = 48;

pub(crate) async fn run(server: &Server, scale: f64) -> Result<Outcome> {
    let rounds = scaled(SIGN_INS, scale).div_ceil(TOGETHER);
    let (before, began) = (server.cpu()?, Instant::now());
    for _ in 0..rounds {
        try_join_all((0..TOGETHER).map(|_| server.sign_in())).await?;
    }
    let sign_ins = (rounds * TOGETHER) as f64;
    let cpu = server.cpu()? - before;
    Ok(Outcome::of(ms(cpu) / sign_ins).with("sign-ins per second", sign_ins / began.elapsed().as_secs_f64()))
}
