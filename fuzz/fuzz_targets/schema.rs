//! Schemas: what reads as one gives a space whose every row is a lawful configuration, or problems.
#![no_main]

use automl_config::{check_text, space_of_schema};
use automl_core::{Encoding, rng};
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|text: &str| {
    for problem in check_text(Path::new("x.schema.json"), text) {
        assert!(!problem.message.is_empty());
    }
    let Ok(space) = space_of_schema(text) else { return };
    for draw in 0..4 {
        let row = space.encodings().into_iter().enumerate().map(|(i, encoding)| {
            let unit = rng::uniform(&[draw, i as u64]);
            match encoding {
                Encoding::Categorical { choices } => (unit * f64::from(choices)).floor(),
                Encoding::Constant | Encoding::Continuous | Encoding::Grid { .. } => unit,
            }
        });
        let params = space.decode(&row.collect::<Vec<_>>());
        assert_eq!(space.check(&params), Ok(()), "{params}");
        let again = space.decode(&space.encode(&params));
        assert_eq!(space.check(&again), Ok(()), "{again}");
    }
});
