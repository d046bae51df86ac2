//! The automl command. 
fn main() {}
