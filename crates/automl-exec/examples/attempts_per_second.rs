//! Measures attempts per second: `/bin/true` through the local executor, with some in flight.
//!
//! `cargo run --release -p automl-exec --example attempts_per_second -- RUNNER [ATTEMPTS] [IN_FLIGHT]`, where
//! RUNNER is the built `automl-runner`. Each attempt includes what an engine does for it: making its
//! folder, writing `launch.json` and raising the fence.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use automl_exec::{AttemptKey, Cause, Executor, LaunchSpec, LocalExecutor, Submit, UseLimits, raise_fence};
use tokio::sync::mpsc::unbounded_channel;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let runner = arguments.next().ok_or_else(|| io::Error::other("the path of automl-runner is missing"))?;
    let mut number = |default| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (attempts, in_flight): (u64, u64) = (number(2000), number(4));

    let root = std::env::temp_dir().join(format!("automl-attempts-{}", std::process::id()));
    let (sender, mut ended) = unbounded_channel();
    let mut executor = LocalExecutor::new(vec![runner], sender);
    let begin = Instant::now();
    for trial in 0..attempts + in_flight {
        if trial < attempts {
            start(&mut executor, &root, trial)?;
        }
        if trial >= in_flight {
            let report = ended.blocking_recv().expect("the executor holds the sender");
            assert_eq!(report.verdict.cause, Cause::Exit(0), "{}", report.key);
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    fs::remove_dir_all(&root)?;
    let rate = attempts as f64 / seconds;
    writeln!(io::stdout(), "{attempts} attempts, {in_flight} in flight: {seconds:.2} s, {rate:.0} a second")
}

fn start(executor: &mut LocalExecutor, root: &Path, trial: u64) -> io::Result<()> {
    let trial_dir = root.join(format!("{trial:05}"));
    let attempt_dir = trial_dir.join("attempt-1");
    fs::create_dir_all(&attempt_dir)?;
    let spec = LaunchSpec {
        key: AttemptKey { study: "00000000".into(), trial, attempt: 1 },
        argv: vec!["/bin/true".into()],
        env: BTreeMap::new(),
        workdir: "/".into(),
        attempt_dir,
        grace_ms: 1000,
        wall_limit_ms: None,
        silence_limit_ms: None,
        watch: vec![],
        limits: UseLimits::default(),
    };
    spec.write().map_err(io::Error::other)?;
    raise_fence(&trial_dir, 1)?;
    match executor.submit(&spec) {
        Submit::Accepted => Ok(()),
        other => Err(io::Error::other(format!("{other:?}"))),
    }
}
