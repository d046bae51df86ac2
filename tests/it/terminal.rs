//! The live view, seen through a pseudo-terminal.

use crate::support::{TestEnv, wait_until};
use std::fs;
use std::process::{Command, Stdio};

/// Runs a search on a pseudo-terminal of 80 columns made by `script`, where there is one.
#[test]
fn live_view_is_drawn_and_erased() {
    let env = TestEnv::new();
    let exe = env!("CARGO_BIN_EXE_automl");
    let search = "run --gpus none --metric loss:min --param x=0.0..1.0 --parallel 1 --trials 1 --name s";
    let line = format!("stty cols 80 rows 24; {exe} {search} -- ./hang.sh {{x}}");
    let mut on_terminal = Command::new("script");
    on_terminal.args(["-qec", &line, "screen"]).current_dir(env.path("")).env("TERM", "xterm");
    on_terminal.env_remove("NO_COLOR").env_remove("AUTOML_ROOT").stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = match on_terminal.spawn() {
        Ok(child) => child,
        // A machine without `script` has no other way to show a terminal; the frame has unit tests.
        Err(_) => return,
    };
    let screen = || String::from_utf8_lossy(&fs::read(env.path("screen")).unwrap_or_default()).into_owned();
    wait_until("a frame", || screen().contains("0/1 trials"));
    fs::write(env.path("go"), "").unwrap();
    assert!(child.wait().unwrap().success(), "{}", screen());
    let screen = screen();
    assert!(screen.contains("\x1b[J"), "{screen}");
    assert!(screen.contains("Finished\x1b[0m trial 1: loss 0.5"), "{screen}");
    let after = screen.rsplit("\x1b[J").next().unwrap();
    assert!(!after.contains("0/1 trials") && after.contains("best          "), "{after}");
}
