//! What the engine itself costs: `cargo bench -p automl-cli --bench engine [-- PART…]`.
//!
//! Runs the real command, everything durable, on trials that only print, and prints what it measures beside its
//! target. The parts: `starts` (trials a second, memory, and how fast the study they make is opened), `gap` (how
//! long a slot is idle between two trials), `news` (how soon a printed metric is a durable event), `writers` (the
//! processor time of the engine while 200 trials write a megabyte a second each). The trials are this program
//! itself, called with another first argument.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod gap;
mod news;
mod starts;
mod study;
mod writers;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some(news::PROGRAM) => return news::program(),
        Some(writers::PROGRAM) => return writers::program(),
        _ => {}
    }
    let parts: [(&str, fn()); 4] = [
        ("starts", starts::measure),
        ("gap", gap::measure),
        ("news", news::measure),
        ("writers", writers::measure),
    ];
    // Cargo adds options of its own.
    let named: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    for (name, measure) in parts {
        if named.is_empty() || named.iter().any(|wanted| *wanted == name) {
            measure();
        }
    }
}
