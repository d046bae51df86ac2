//! How fast logs are read: `cargo bench -p automl-scrape --bench scrape`.
//!
//! Prints megabytes a second of processor time on one core, for a synthetic trainer's log of 256 MB that is
//! read as an engine reads it, in chunks of 64 KB, with 30 patterns beside the names. `rg -c` over the same file,
//! for one name and for all patterns, stands beside them (`grep -c` where `rg` is not installed).

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use automl_scrape::{MetricRules, Metrics, Scraper, SourceKind};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use std::hint::black_box;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

const LOG_BYTES: usize = 256_000_000;
const CHUNK_BYTES: usize = 64 << 10;
const ROUNDS: usize = 3;

fn main() {
    let (busy, quiet) = (synthetic_log(20), synthetic_log(usize::MAX));
    report("names only, 1 metric line in 20", &rules(&[], &[], &[]), &busy, None);
    let all = rules(&DYNAMIC, &LINES, &FAILURES);
    report("30 patterns, 1 metric line in 20", &all, &busy, Some(500));
    report("30 patterns, 1 metric line in 1000", &all, &synthetic_log(1000), None);
    report("30 patterns, no line can match", &all, &quiet, Some(1000));
    for (name, log) in [("1 metric line in 20", &busy), ("no line can match", &quiet)] {
        beside_a_search_tool(name, log);
    }
}

const DYNAMIC: [&str; 8] = [
    "^mIoU_(small|medium|large)$",
    "^(AP|AP50|AP75|ARmax1)_(bbox|segm)$",
    "^top[15]$",
    "^f1_(macro|micro)$",
    "^val_(precision|recall)$",
    "^bleu[1-4]?$",
    "^wer$",
    "^psnr$",
];
const LINES: [&str; 6] = [
    r"^best so far: (?<best>[\d.]+)$",
    r"validation score (?<score>[\d.]+)",
    r"\bEMA (?<ema>[\d.]+)",
    r"perplexity was (?<perplexity>[\d.]+)",
    r"reward/mean (?<reward>-?[\d.]+)",
    r"^\[eval\] (?<eval>[\d.]+)$",
];
const FAILURES: [&str; 16] = [
    "(?i)cuda out of memory",
    r"\bMemoryError\b",
    "ModuleNotFoundError",
    "No module named",
    "error: unrecognized arguments",
    "FileNotFoundError",
    "No space left on device",
    "(?i)loss is nan",
    "(?i)non-finite loss",
    "NCCL error",
    "CUDA error: ",
    "fallen off the bus",
    "Watchdog caught",
    "std::bad_alloc",
    "(?i)invalid licen[cs]e",
    r"^([A-Za-z_]\w*\.)*[A-Z]\w*(Error|Exception)(: .*)?$",
];

fn rules(dynamic: &[&str], lines: &[&str], failures: &[&str]) -> MetricRules {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    MetricRules {
        monitoring: vec!["val_loss".into()],
        available: owned(&["train_loss", "val_acc", "mIoU"]),
        dynamic_patterns: owned(dynamic),
        line_patterns: owned(lines),
        failure_patterns: owned(failures),
    }
}

fn report(title: &str, rules: &MetricRules, log: &[u8], target: Option<u32>) {
    let metrics = Arc::new(Metrics::compile(rules).expect("the rules are fine"));
    let mut best_s = f64::INFINITY;
    let mut measurements = Vec::new();
    for _ in 0..ROUNDS {
        measurements.clear();
        let before = processor_s(UsageWho::RUSAGE_SELF);
        let mut scraper = Scraper::new(&metrics, SourceKind::Text);
        for chunk in log.chunks(CHUNK_BYTES) {
            scraper.push(black_box(chunk), &mut measurements);
        }
        scraper.finish(&mut measurements);
        best_s = best_s.min(processor_s(UsageWho::RUSAGE_SELF) - before);
    }
    let rate = log.len() as f64 / best_s / 1e6;
    let target = target.map_or_else(String::new, |target| format!(" (target {target})"));
    println!("{title:<40} {rate:7.0} MB/s{target}, {} measurements", measurements.len());
}

/// Counts the lines that a search tool finds in the same log, which it maps or reads from memory.
fn beside_a_search_tool(name: &str, log: &[u8]) {
    let mut file = tempfile::NamedTempFile::new().expect("a writable folder");
    file.write_all(log).expect("room for the log");
    // Older versions of `rg` know no other way to name a group.
    let patterns =
        DYNAMIC.iter().chain(&LINES).chain(&FAILURES).map(|pattern| pattern.replace("(?<", "(?P<"));
    for (what, patterns) in
        [("val_loss", vec!["val_loss".into()]), ("30 patterns", patterns.collect::<Vec<_>>())]
    {
        let search = |program: &str, options: &[&str]| {
            let mut command = Command::new(program);
            command.args(options).args(patterns.iter().flat_map(|pattern| ["-e", pattern.as_str()]));
            command.arg(file.path()).env("LC_ALL", "C").stdout(Stdio::null());
            command.status().is_ok_and(|status| status.code() != Some(2))
        };
        let before = processor_s(UsageWho::RUSAGE_CHILDREN);
        // Groups with names are not known to `grep`, so it counts lines with the name only.
        let tool = if search("rg", &["-c", "--threads", "1"]) {
            "rg -c"
        } else if patterns.len() == 1 && search("grep", &["-c"]) {
            "grep -c"
        } else {
            continue;
        };
        let seconds = processor_s(UsageWho::RUSAGE_CHILDREN) - before;
        let title = format!("{tool}, {what}, {name}");
        println!("{title:<40} {:7.0} MB/s", log.len() as f64 / seconds / 1e6);
    }
}

/// Processor time used so far, in seconds.
fn processor_s(who: UsageWho) -> f64 {
    let usage: Usage = getrusage(who).expect("the system tells");
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}

/// Lines as data loaders and loggers print them, with a metric line every so often.
fn synthetic_log(lines_per_metric_line: usize) -> Vec<u8> {
    let mut log = Vec::with_capacity(LOG_BYTES + 256);
    let mut line: usize = 0;
    while log.len() < LOG_BYTES {
        let text = if line % lines_per_metric_line == 1 && lines_per_metric_line < usize::MAX {
            let epoch = line / lines_per_metric_line;
            format!("Epoch {epoch}: train_loss=0.{line:06}, val_loss=0.{epoch:06} val_acc: 0.{epoch:04}\n")
        } else {
            format!(
                "2026-03-07 09:05:{:02},{:03} - INFO - dataloader: worker {} fetched shard {line} ({} images, {} ms)\n",
                line % 60,
                line % 1000,
                line % 16,
                line % 512,
                line % 77,
            )
        };
        log.extend_from_slice(text.as_bytes());
        line += 1;
    }
    log
}
