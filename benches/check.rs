//! Time to read and check files: `cargo bench -p automl-config --bench check`.
//!
//! 40 network configs of the packaged network's size, and 200 schemas of 100 KB each.

use automl_config::check_text;
use criterion::{Criterion, criterion_group, criterion_main};
use std::fmt::Write as _;
use std::path::Path;

const CONFIGS: usize = 40;
const SCHEMAS: usize = 200;
const SCHEMA_BYTES: usize = 100 << 10;

/// A schema of groups of ten parameters, as long as asked for.
fn schema() -> String {
    let mut text = String::from("{\"type\": \"object\", \"properties\": {\n");
    for group in 0.. {
        let last = text.len() >= SCHEMA_BYTES;
        write!(text, "  \"group{group}\": {{\"type\": \"object\", \"properties\": {{").expect("a string");
        for i in 0..10 {
            let comma = if i == 9 { "" } else { "," };
            write!(
                text,
                "\n    \"p{i}\": {{\"type\": \"float\", \"default\": 0.5, \"minimum\": 0.0, \"maximum\": Infinity, \
                 \"math_cond\": \"> 0.0\", \"title\": \"parameter {i}\", \"description\": \"what it does\", \
                 \"automl_enabled\": true}}{comma}"
            )
            .expect("a string");
        }
        text.push_str("}}");
        if last {
            break;
        }
        text.push_str(",\n");
    }
    text + "}, \"automl_default_parameters\": [\"group0.p0\"]}"
}

fn check(c: &mut Criterion) {
    let config = include_str!("../network_configs/mal.config.json");
    let schema = schema();
    assert!(check_text(Path::new("train.schema.json"), &schema).is_empty(), "the schema is clean");
    let mut group = c.benchmark_group("check");
    group.sample_size(10);
    group.bench_function(
        format!("{CONFIGS} configs and {SCHEMAS} schemas of {} KB", schema.len() >> 10),
        |b| {
            b.iter(|| {
                let configs = (0..CONFIGS).map(|_| check_text(Path::new("mal.config.json"), config).len());
                let schemas = (0..SCHEMAS).map(|_| check_text(Path::new("train.schema.json"), &schema).len());
                configs.sum::<usize>() + schemas.sum::<usize>()
            });
        },
    );
    group.finish();
}

criterion_group!(benches, check);
criterion_main!(benches);
