//! MAL trainer.
fn main() {}
