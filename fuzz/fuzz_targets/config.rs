//! Network configs: any bytes are read into a config or into problems.
#![no_main]

use automl_config::check_text;
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|text: &str| {
    for problem in check_text(Path::new("x.config.json"), text) {
        assert!(!problem.message.is_empty());
    }
});
