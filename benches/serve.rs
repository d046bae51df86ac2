//! Time of one ask and tell over pipes: `cargo bench -p automl-serve --bench serve`.
//!
//! The whole way that a program in another language goes, but for its own process: a line is written to a
//! pipe, read, parsed, answered, and the answer is read from another pipe; twice a round. Nothing is stored,
//! parameters are drawn at random, and the study grows to `n` trials: the figure is the mean over all of
//! its rounds.

use automl_serve::{Service, stdio};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write, pipe};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const DIMENSIONS: u32 = 10;

/// A served study and the two pipes to it.
struct Talk {
    calls: PipeWriter,
    answers: BufReader<PipeReader>,
    server: JoinHandle<()>,
}

impl Talk {
    fn begin() -> Self {
        let (input, calls) = pipe().expect("the system has pipes");
        let (answers, output) = pipe().expect("the system has pipes");
        let server = thread::spawn(move || {
            let mut service = Service::new("/nowhere".into());
            stdio::serve(&mut service, BufReader::new(input), output).expect("pipes do not fail");
        });
        let mut talk = Talk { calls, answers: BufReader::new(answers), server };
        let parameter = |i| format!(r#"{{"name": "x{i}", "type": "float", "low": 0, "high": 1}}"#);
        let space: Vec<String> = (0..DIMENSIONS).map(parameter).collect();
        talk.call(&format!(
            r#"{{"id": 0, "method": "create", "params": {{"space": [{}], "algorithm": "random", "store": false,
            "objective": {{"name": "loss", "direction": "minimize"}}}}}}"#,
            space.join(",")
        ));
        talk
    }

    fn call(&mut self, message: &str) -> String {
        let line = message.replace('\n', " ") + "\n";
        self.calls.write_all(line.as_bytes()).expect("the server reads");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the server answers");
        assert!(answer.contains("result"), "{answer}");
        answer
    }

    fn round(&mut self, trial: u64) {
        self.call(r#"{"id": 1, "method": "ask"}"#);
        self.call(&format!(
            r#"{{"id": 2, "method": "tell", "params": {{"trial": {trial}, "state": "complete", "value": 0.5}}}}"#
        ));
    }

    fn end(self) {
        drop(self.calls);
        self.server.join().expect("the server ends");
    }
}

fn rounds(c: &mut Criterion) {
    let mut group = c.benchmark_group("serve/round/random/d10");
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    for n in [100_u64, 1000] {
        group.bench_with_input(BenchmarkId::from_parameter(n), &n, |b, n| {
            b.iter_custom(|iterations| {
                let mut total = Duration::ZERO;
                for _ in 0..iterations {
                    let mut talk = Talk::begin();
                    let start = Instant::now();
                    (1..=*n).for_each(|trial| talk.round(trial));
                    total += start.elapsed() / u32::try_from(*n).expect("a small number");
                    talk.end();
                }
                total
            });
        });
    }
    group.finish();
}

criterion_group!(benches, rounds);
criterion_main!(benches);
