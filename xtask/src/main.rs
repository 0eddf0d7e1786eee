//! The one door to Arborio: `cargo xtask <verb>`.
fn main() {}
