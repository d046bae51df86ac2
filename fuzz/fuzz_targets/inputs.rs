//! Search spaces, specs, datasets and settings: the first byte chooses the file's name.
#![no_main]

use automl_config::check_text;
use libfuzzer_sys::fuzz_target;
use std::path::Path;

const NAMES: [&str; 6] = ["space.yaml", "space.json", "spec.yaml", "dataset.yaml", "automl.toml", "space.toml"];

fuzz_target!(|input: (u8, &str)| {
    let (choice, text) = input;
    let name = NAMES[usize::from(choice) % NAMES.len()];
    for problem in check_text(Path::new(name), text) {
        assert!(!problem.message.is_empty());
    }
});
