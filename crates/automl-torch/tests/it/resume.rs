//! A run that stops and goes on must be the run that never stopped.

use std::io::{BufRead, BufReader};
use std::process::Command;

use crate::fixture::{Fixture, stderr, stdout};

const LAST: &str = "model_epoch_002_step_00009.safetensors";

fn loss_lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("epoch: ")).collect()
}

#[test]
fn resumed_run_is_byte_identical_to_the_straight_one() {
    let fixture = Fixture::new();
    let straight = fixture.run("train", "straight", &[]);
    assert!(straight.status.success(), "{}", stderr(&straight));

    let paused = fixture.command("train", "halves", &[]).env("EARLY_STOP_EPOCH", "1").output().unwrap();
    assert_eq!(paused.status.code(), Some(0), "{}", stderr(&paused));
    assert_eq!(fixture.checkpoints("halves/train"), ["model_epoch_000_step_00003.safetensors"]);
    let last = fixture.status("halves/train").pop().unwrap();
    assert_eq!(last["message"], "Train paused after 1 of 3 epochs (EARLY_STOP_EPOCH).");
    assert!(last["kpi"]["mIoU"].is_f64());

    let latest = fixture.path("halves/train/mal_model_latest.safetensors");
    let resume = format!("train.resume_training_checkpoint_path={}", latest.display());
    let resumed = fixture.run("train", "halves", &[&resume]);
    assert!(resumed.status.success(), "{}", stderr(&resumed));

    let (first, second, whole) = (stdout(&paused), stdout(&resumed), stdout(&straight));
    let halves = [loss_lines(&first), loss_lines(&second)].concat();
    assert_eq!(halves, loss_lines(&whole));
    let bytes = |folder: &str| std::fs::read(fixture.path(folder).join(LAST)).unwrap();
    assert!(bytes("halves/train") == bytes("straight/train"), "checkpoints differ");
}

#[test]
fn run_resumes_from_the_middle_of_an_epoch() {
    let fixture = Fixture::new();
    let by_step = ["train.checkpoint_interval_unit=step", "train.checkpoint_interval=2"];
    let straight = fixture.run("train", "straight", &by_step);
    assert!(straight.status.success(), "{}", stderr(&straight));
    let middle = fixture.path("straight/train/model_epoch_001_step_00004.safetensors");
    let resume = format!("train.resume_training_checkpoint_path={}", middle.display());
    let resumed = fixture.run("train", "resumed", &[&resume, by_step[0], by_step[1]]);
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    let (whole, part) = (stdout(&straight), stdout(&resumed));
    assert_eq!(loss_lines(&whole)[2..], loss_lines(&part)[..]);
    let bytes = |folder: &str| std::fs::read(fixture.path(folder).join(LAST)).unwrap();
    assert!(bytes("resumed/train") == bytes("straight/train"), "checkpoints differ");
}

#[test]
fn pause_already_reached_reports_the_checkpoint() {
    let fixture = Fixture::new();
    let early = |arguments: &[&str]| {
        fixture.command("train", "out", arguments).env("EARLY_STOP_EPOCH", "1").output().unwrap()
    };
    let first = early(&[]);
    let latest = fixture.path("out/train/mal_model_latest.safetensors");
    let again = early(&[&format!("train.resume_training_checkpoint_path={}", latest.display())]);
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    let (first, again) = (stdout(&first), stdout(&again));
    assert_eq!(loss_lines(&first)[1..], loss_lines(&again)[..]);
}

#[test]
fn sigterm_saves_the_last_completed_epoch() {
    let fixture = Fixture::new();
    let arguments = ["train.num_epochs=100000", "train.checkpoint_interval=100000"];
    let mut child = fixture.spawn("out", &arguments);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The line comes after the epoch is validated, and its state is kept right after that.
    let wait_for = |lines: &mut dyn Iterator<Item = std::io::Result<String>>, start: &str| {
        lines.map(Result::unwrap).find(|line| line.starts_with(start)).unwrap()
    };
    wait_for(&mut lines, "epoch: 1 train_loss");
    let kill = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let verdict = lines.map(Result::unwrap).last().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(verdict, "Execution status: FAIL");
    let names = fixture.checkpoints("out/train");
    assert_eq!(names.len(), 1, "{names:?}");
    let last = fixture.status("out/train").pop().unwrap();
    assert_eq!(last["status"], "FAILURE");
    let message = last["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("Train interrupted by SIGTERM after "), "{message}");
    let epochs: u64 = message.split(' ').nth(5).unwrap().parse().unwrap();
    assert!(
        names[0].starts_with(&format!("model_epoch_{:03}_step_{:05}", epochs - 1, epochs * 3)),
        "{names:?}"
    );
}
