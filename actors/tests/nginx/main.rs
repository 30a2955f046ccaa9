//! nginx as the proxy, with a real nginx, small upstreams behind it and raw requests in front.

#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod crashes;
mod live;
mod peers;
mod proxy;
mod sound;
mod stage1;
mod stage2;
