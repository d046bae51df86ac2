//! `kill -9` of the engine at any moment, followed by `resume`, gives the search that was never
//! killed: the same trials, none run twice, nothing left running. `AUTOML_KILLS=3000` tries more moments.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const TRIALS: usize = 12;
/// Kills where nobody asks for another number.
const KILLS: u32 = 30;

/// A deterministic program: notes that it was started, takes a moment, prints its loss.
const PROGRAM: &str = r#"#!/bin/sh
echo "$AUTOML_TRIAL" >> "$3"
sleep 0.05
awk -v x="$1" -v n="$2" 'BEGIN { printf "loss: %.12g\n", (x - 0.3) ^ 2 + (n - 3) ^ 2 / 100 }'
"#;

struct Search {
    dir: PathBuf,
    starts: PathBuf,
}

impl Search {
    fn new(dir: &Path) -> Self {
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join("program.sh"), PROGRAM).unwrap();
        Search { dir: dir.to_path_buf(), starts: dir.join("starts") }
    }

    fn automl(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_automl"));
        command.current_dir(&self.dir).env("AUTOML_ROOT", self.dir.join("studies"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn run(&self) -> Command {
        let mut command = self.automl();
        command.args(["run", "--name", "s", "--seed", "7", "--parallel", "1", "--gpus", "none"]);
        command.args(["--trials", &TRIALS.to_string(), "--algorithm", "bayesian", "--metric", "loss:min"]);
        command.args(["--param", "x=0.0..1.0", "--param", "n=1..8", "--", "sh", "program.sh", "{x}", "{n}"]);
        command.arg(&self.starts);
        command
    }

    fn resume(&self) -> Command {
        let mut command = self.automl();
        command.args(["resume", "s"]);
        command
    }

    /// Number, values and result of every trial.
    fn trials(&self) -> Vec<Value> {
        let output = self.automl().args(["trials", "s", "--json"]).stdout(Stdio::piped()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let facts = |line: &str| {
            let trial: Value = serde_json::from_str(line).unwrap();
            serde_json::json!([trial["trial"], trial["state"], trial["params"], trial["value"]])
        };
        text.lines().map(facts).collect()
    }

    fn attempts(&self) -> Vec<u64> {
        let output = self.automl().args(["trials", "s", "--json"]).stdout(Stdio::piped()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .map(|l| serde_json::from_str::<Value>(l).unwrap()["attempts"].as_u64().unwrap())
            .collect()
    }
}

fn wait_until(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !happened() {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        std::thread::yield_now();
    }
}

/// Lets an engine work for a while, then kills it without warning. Tells whether it had ended itself.
fn kill_after(mut engine: Child, delay: Duration) -> bool {
    let deadline = Instant::now() + delay;
    let mut ended = false;
    wait_until("the moment of the kill", || {
        ended = engine.try_wait().unwrap().is_some();
        ended || Instant::now() >= deadline
    });
    engine.kill().unwrap();
    engine.wait().unwrap();
    ended
}

/// Processes that belong to an attempt of a study in this folder.
fn processes_in(dir: &Path) -> Vec<String> {
    let dir = dir.to_string_lossy().into_owned();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let commands = entries.filter_map(|e| fs::read_to_string(e.path().join("cmdline")).ok());
    commands.filter(|c| c.contains(&dir) && (c.contains("program.sh") || c.contains("__runner"))).collect()
}

#[test]
fn killed_searches_end_like_uninterrupted_ones() {
    let temporary = tempfile::tempdir().unwrap();
    let straight = Search::new(&temporary.path().join("straight"));
    assert!(straight.run().status().unwrap().success());
    let expected = straight.trials();
    assert_eq!(expected.len(), TRIALS);

    let asked = std::env::var("AUTOML_KILLS").map_or(KILLS, |text| text.parse().expect("a number of kills"));
    let mut kills = 0;
    let mut round = 0;
    while kills < asked {
        round += 1;
        let search = Search::new(&temporary.path().join(format!("killed-{round}")));
        let mut command = search.run();
        loop {
            let draw = automl_core::rng::uniform(&[11, u64::from(kills), round]);
            let delay = Duration::from_micros((draw * 350_000.0) as u64);
            if kills >= asked || kill_after(command.spawn().unwrap(), delay) {
                break;
            }
            kills += 1;
            // Killed before it had created the study: there is nothing to resume yet.
            let created = search.dir.join("studies/s/study.json").exists();
            command = if created { search.resume() } else { search.run() };
            if !created {
                let _ = fs::remove_dir_all(search.dir.join("studies"));
            }
        }
        // The last kill may have come before there was a study.
        let created = search.dir.join("studies/s/study.json").exists();
        let last = if created { search.resume() } else { search.run() }.status().unwrap();
        assert!(last.success(), "round {round}: {last}");
        assert_eq!(search.trials(), expected, "round {round}, after {kills} kills");
        assert!(search.attempts().iter().all(|n| *n == 1), "round {round}: {:?}", search.attempts());
        let mut starts: Vec<u64> =
            fs::read_to_string(&search.starts).unwrap().lines().map(|l| l.parse().unwrap()).collect();
        starts.sort_unstable();
        assert_eq!(starts, (1..=TRIALS as u64).collect::<Vec<_>>(), "round {round}: a trial ran twice");
        wait_until("every process of the search to be gone", || processes_in(&search.dir).is_empty());
    }
}
