//! The runner as a program of its own: `automl-runner ATTEMPT_DIR`.
//!
//! The same code runs as a subcommand of `automl`; this small binary is for machines that get nothing
//! else, such as the nodes of a cluster.

use std::io::Write;
use std::path::Path;
use std::process::exit;

/// Exit code for a wrong command line.
const EXIT_USAGE: i32 = 2;

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    match (arguments.next(), arguments.next()) {
        (Some(dir), None) => exit(automl_exec::runner_main(Path::new(&dir))),
        _ => {
            // Without a standard error the exit code has to do.
            let _ = writeln!(std::io::stderr(), "usage: automl-runner ATTEMPT_DIR");
            exit(EXIT_USAGE)
        }
    }
}
