//! Bodies of the fuzz targets. Each takes any bytes and panics on a finding. Stable tests call them on the corpus.

pub mod awareness;
pub mod frame;
pub mod record;
pub mod update;
pub mod websocket;

pub use awareness::awareness;
pub use frame::frame;
pub use record::record;
pub use update::update;
pub use websocket::websocket;
