//! Known failures: lines of a log in, what they mean for the trial out.
//!
//! A network's own patterns are looked at beside those that every program shares. They are searched for
//! while the log grows (`automl-scrape`, one automaton with the patterns of metrics); here is only what
//! they mean. A sign alone is no failure: programs print warnings and go on. Only an attempt that ended
//! badly is diagnosed.

use automl_config::{ErrorPattern, FailurePolicy, Pattern};
use automl_core::FailureKind;
use automl_scrape::{Notes, SignLine};
use std::sync::LazyLock;

/// Longest part of a line that goes into the first line of a reason, in characters.
const HEADLINE_CHARS: usize = 300;
/// Wraps the failures of processes on other ranks; the one that is meant has been printed before.
const WRAPPER: &str = "ChildFailedError";

/// A failure that any program may have.
struct Class {
    kind: FailureKind,
    policy: FailurePolicy,
    advice: &'static str,
    pattern: &'static str,
}

/// What programs of all kinds say of their failures, the most telling first.
///
/// Each way that a pattern can match must hold a few letters of its own: lines without such letters are
/// jumped over.
const CLASSES: [Class; 10] = [
    Class {
        kind: FailureKind::OutOfMemory,
        policy: FailurePolicy::Infeasible,
        advice: "the GPU's memory does not hold this configuration: make batches, images or the model smaller, \
                 or give a trial more GPUs",
        pattern: "(?i)(cuda|hip|gpu|device)( error: | ran )?( ?out of memory)|out of device memory|OutOfMemoryError\
                  |CU(BLAS|DNN)_STATUS_ALLOC_FAILED|RESOURCE_EXHAUSTED: (OOM|out of memory)",
    },
    Class {
        kind: FailureKind::HostMemory,
        policy: FailurePolicy::Retry,
        advice: "the machine's memory (or /dev/shm) ran out: use fewer data loading processes, smaller batches or \
                 fewer trials at a time",
        pattern: "\\bMemoryError\\b|std::bad_alloc|Cannot allocate memory|Unable to allocate .*array\
                  |killed by signal: Killed|oom-kill|Out of memory: Killed process|insufficient shared memory",
    },
    Class {
        kind: FailureKind::Setup,
        policy: FailurePolicy::Stop,
        advice: "a licence or key is missing or not accepted: set it in the environment that trials inherit",
        pattern: "(?i)licen[cs]e( key| file)? (is |was |has )?(invalid|expired|missing|not found)\
                  |no valid licen[cs]e|invalid api[ _-]?key|api[ _-]?key[^:]{0,20} (missing|not set|not configured|invalid|required)\
                  |(missing|invalid|wrong|incorrect) (encryption|licen[cs]e|access) key\
                  |401 (client error|unauthorized)|GatedRepoError|AuthenticationError",
    },
    Class {
        kind: FailureKind::Setup,
        policy: FailurePolicy::Stop,
        advice: "a module or library is missing: install it in the environment that trials run in",
        pattern: "ModuleNotFoundError\\b|ImportError\\b|No module named|error while loading shared libraries\
                  |cannot open shared object file",
    },
    Class {
        kind: FailureKind::Setup,
        policy: FailurePolicy::Stop,
        advice: "the program does not accept its command line: compare it with `automl run … --dry-run`",
        pattern: "error: unrecognized arguments|error: unexpected argument|error: the following arguments are required\
                  |error: argument .*(invalid \\w+ value|expected )|unrecognized option|(?i:no such option)\
                  |: command not found|Could not override '",
    },
    Class {
        kind: FailureKind::Setup,
        policy: FailurePolicy::Stop,
        advice: "data or another file is missing or cannot be read: check the paths that every trial gets, and the \
                 dataset with `automl check`",
        pattern: "(FileNotFound|NotADirectory|DatasetNotFound|DatasetGeneration|UnidentifiedImage)Error|can't open file\
                  |(?i:dataset[^:]{0,40} (not found|is empty|does not exist))\
                  |(?i:found 0 (files|images|samples)|no (images|samples|valid images|training data) (were |was )?found)\
                  |num_samples should be a positive integer",
    },
    Class {
        kind: FailureKind::DiskFull,
        policy: FailurePolicy::Retry,
        advice: "the disk is full: free space, or keep fewer checkpoints",
        pattern: "No space left on device|Disk quota exceeded|PytorchStreamWriter failed writing",
    },
    Class {
        kind: FailureKind::NotFinite,
        policy: FailurePolicy::Infeasible,
        advice: "training diverged: lower learning rates, or narrow their range",
        pattern: "(?i)(loss (is|became|was|=) ?(nan|inf|infinite)|(nan|non-finite|infinite) loss|nan or inf(inity)? found)\
                  |(?i:diverged with loss|contains nan)",
    },
    Class {
        kind: FailureKind::Known,
        policy: FailurePolicy::Fail,
        advice: "the program asked its GPU for something impossible, mostly a label or token beyond the size of the \
                 model's output: `CUDA_LAUNCH_BLOCKING=1` in its environment shows where",
        pattern: "device-side assert triggered",
    },
    Class {
        kind: FailureKind::Device,
        policy: FailurePolicy::RetryElsewhere,
        advice: "a GPU, its driver or the link between GPUs failed: `nvidia-smi` and `dmesg` tell whether it is sound",
        pattern: "NCCL error|nccl(System|Internal|Remote|UnhandledCuda)Error|DistBackendError|DistNetworkError\
                  |Watchdog caught collective operation timeout|Rendezvous(Connection|Timeout)Error\
                  |CUDA error: |CU(BLAS|DNN)_STATUS_|[Uu]ncorrectable ECC|fallen off the bus|GPU is lost\
                  |No CUDA GPUs are available|unspecified launch failure",
    },
];

/// The last line of a traceback, of Python and of others: what went wrong, in the program's own words.
const HEADLINE: &str = r"^(\[rank\d+\]: ?)?([A-Za-z_]\w*\.)*[A-Z]\w*(Error|Exception)(: .*)?$|panicked at |terminate called after";

/// The patterns of all programs, compiled once.
static COMMON: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let pattern = |text: &str| Pattern::new(text).expect("a test compiles every built-in pattern");
    let classes = CLASSES.iter().map(|class| Known {
        pattern: pattern(class.pattern),
        advice: Some(class.advice.into()),
        kind: Some(class.kind),
        policy: Some(class.policy),
    });
    let headline = Known { pattern: pattern(HEADLINE), advice: None, kind: None, policy: None };
    classes.chain([headline]).collect()
});

/// One known failure.
#[derive(Debug, Clone)]
struct Known {
    pattern: Pattern,
    advice: Option<String>,
    kind: Option<FailureKind>,
    policy: Option<FailurePolicy>,
}

/// All failures that are known of a program.
#[derive(Debug)]
pub(crate) struct Failures {
    known: Vec<Known>,
}

/// Why an attempt failed, as far as its logs tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Diagnosis {
    /// What kind of failure it is.
    pub(crate) kind: Option<FailureKind>,
    /// What follows from it.
    pub(crate) policy: Option<FailurePolicy>,
    /// What to do about it.
    pub(crate) advice: Option<String>,
    /// The line that tells best what happened.
    pub(crate) headline: Option<String>,
}

/// A known failure that the logs show, and where.
struct Found<'a> {
    known: &'a Known,
    line: u64,
    text: String,
}

impl Failures {
    /// Returns what is known of a program's failures, those of its network first.
    pub(crate) fn of(own: &[ErrorPattern]) -> Self {
        let own = own.iter().map(|own| Known {
            pattern: own.pattern.clone(),
            advice: Some(own.advice.clone()),
            kind: own.policy.map(kind_of),
            policy: own.policy,
        });
        Failures { known: own.chain(COMMON.iter().cloned()).collect() }
    }

    /// Returns the patterns to search logs for, in the order of [`Notes::signs`].
    pub(crate) fn patterns(&self) -> Vec<String> {
        self.known.iter().map(|known| known.pattern.as_str().to_owned()).collect()
    }

    /// Reads the signs that the logs of a failed attempt hold.
    ///
    /// What follows is decided by the first pattern that says so. The advice is that of the line printed
    /// first, which is nearer to the cause.
    pub(crate) fn diagnose(&self, notes: &[&Notes]) -> Diagnosis {
        let found: Vec<Found<'_>> = (0..)
            .zip(&self.known)
            .filter_map(|(index, known)| {
                let (line, text) = sign(notes, index).or_else(|| among_last_lines(notes, &known.pattern))?;
                Some(Found { known, line, text })
            })
            .collect();
        let judged = found.iter().find(|found| found.known.policy.is_some());
        let advised = found.iter().filter(|found| found.known.advice.is_some());
        let advised = advised.min_by_key(|found| found.line);
        let told = judged.or(found.last()).or(advised);
        Diagnosis {
            kind: judged.and_then(|found| found.known.kind),
            policy: judged.and_then(|found| found.known.policy),
            advice: advised.and_then(|found| found.known.advice.clone()),
            headline: told.map(|found| found.text.chars().take(HEADLINE_CHARS).collect()),
        }
    }
}

/// The kind of a failure of which only the policy is stated.
fn kind_of(policy: FailurePolicy) -> FailureKind {
    match policy {
        FailurePolicy::Infeasible | FailurePolicy::Fail => FailureKind::Known,
        FailurePolicy::Retry => FailureKind::Exit,
        FailurePolicy::RetryElsewhere => FailureKind::Device,
        FailurePolicy::Stop => FailureKind::Setup,
    }
}

/// Returns the line of the most trusted log that matches a pattern: the last, unless that only wraps what
/// an earlier one tells.
fn sign(notes: &[&Notes], pattern: usize) -> Option<(u64, String)> {
    let sign = notes.iter().find_map(|notes| notes.signs.get(&pattern))?;
    let line: &SignLine = if sign.last.text.contains(WRAPPER) { &sign.first } else { &sign.last };
    Some((sign.first.line, line.text.clone()))
}

/// Looks where no search for signs goes: in status files, and for patterns that cannot be searched for
/// while a log grows.
fn among_last_lines(notes: &[&Notes], pattern: &Pattern) -> Option<(u64, String)> {
    let message = notes.iter().find_map(|notes| notes.failure_message.as_deref());
    let lines = message.into_iter().flat_map(str::lines);
    let tails = notes.iter().filter(|notes| notes.last_status.is_none());
    let tails = tails.flat_map(|notes| notes.tail.iter().map(String::as_str));
    let line = lines.chain(tails).find(|line| pattern.matches(line))?;
    Some((u64::MAX, line.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_scrape::{MetricRules, Metrics, Scraper, SourceKind};
    use std::sync::Arc;

    fn common() -> Failures {
        Failures { known: COMMON.clone() }
    }

    /// Diagnoses a log that is read as the engine reads it, behind a first value of the metric, so that
    /// quiet lines are jumped over.
    fn diagnose(failures: &Failures, log: &str) -> Diagnosis {
        let rules = MetricRules {
            monitoring: vec!["val_acc".into()],
            failure_patterns: failures.patterns(),
            ..MetricRules::default()
        };
        let metrics = Arc::new(Metrics::compile(&rules).unwrap());
        let mut scraper = Scraper::new(&metrics, SourceKind::Text);
        scraper.push(b"val_acc: 0.5\n", &mut Vec::new());
        scraper.push(log.as_bytes(), &mut Vec::new());
        scraper.push("quiet line\n".repeat(40).as_bytes(), &mut Vec::new());
        scraper.finish(&mut Vec::new());
        failures.diagnose(&[scraper.notes()])
    }

    #[test]
    fn what_programs_print_is_understood() {
        use FailureKind::{Device, DiskFull, HostMemory, Known, NotFinite, OutOfMemory, Setup};
        for (kind, line) in [
            (OutOfMemory, "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"),
            (OutOfMemory, "RuntimeError: CUDA error: out of memory"),
            (
                OutOfMemory,
                "tensorflow...ResourceExhaustedError: RESOURCE_EXHAUSTED: OOM when allocating tensor",
            ),
            (OutOfMemory, "RuntimeError: cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
            (HostMemory, "MemoryError"),
            (
                HostMemory,
                "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 8.00 GiB for an array",
            ),
            (HostMemory, "RuntimeError: DataLoader worker (pid 17) is killed by signal: Killed. "),
            (HostMemory, "terminate called after throwing an instance of 'std::bad_alloc'"),
            (Setup, "ModuleNotFoundError: No module named 'timm'"),
            (Setup, "/usr/bin/python3: No module named train"),
            (Setup, "ImportError: libcudnn.so.9: cannot open shared object file: No such file or directory"),
            (Setup, "train.py: error: unrecognized arguments: --lrr 0.1"),
            (Setup, "train.py: error: the following arguments are required: --data"),
            (Setup, "train.py: error: argument --layers: invalid int value: '1.5'"),
            (Setup, "python: can't open file '/x/tran.py': [Errno 2] No such file or directory"),
            (Setup, "sh: 1: pyhton: command not found"),
            (Setup, "FileNotFoundError: [Errno 2] No such file or directory: '/data/train'"),
            (Setup, "ValueError: num_samples should be a positive integer value, but got num_samples=0"),
            (Setup, "PIL.UnidentifiedImageError: cannot identify image file 'a.jpg'"),
            (Setup, "RuntimeError: Found 0 files in subfolders of: data"),
            (Setup, "Error: the license file is invalid"),
            (Setup, "wandb: ERROR api_key not configured (no-tty). call wandb.login(key=[your_api_key])"),
            (Setup, "requests.exceptions.HTTPError: 401 Client Error: Unauthorized for url"),
            (DiskFull, "OSError: [Errno 28] No space left on device"),
            (NotFinite, "Loss is nan, stopping training"),
            (NotFinite, "FloatingPointError: Loss became infinite or NaN at iteration=7!"),
            (NotFinite, "ValueError: Input X contains NaN."),
            (Device, "torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:1970"),
            (Known, "RuntimeError: CUDA error: device-side assert triggered"),
            (Device, "RuntimeError: CUDA error: uncorrectable ECC error encountered"),
            (Device, "[rank1]: Watchdog caught collective operation timeout: WorkNCCL(SeqNum=5)"),
            (Device, "RuntimeError: No CUDA GPUs are available"),
        ] {
            let diagnosis = diagnose(&common(), &format!("Traceback (most recent call last):\n{line}\n"));
            assert_eq!(diagnosis.kind, Some(kind), "{line}: {diagnosis:?}");
            assert_eq!(diagnosis.headline.as_deref(), Some(line.trim()), "{line}");
            assert!(diagnosis.advice.is_some() && diagnosis.policy.is_some(), "{line}");
        }
    }

    #[test]
    fn a_script_that_is_not_there_is_a_missing_file() {
        let line = "python: can't open file '/x/tran.py': [Errno 2] No such file or directory";
        let advice = diagnose(&common(), line).advice.unwrap();
        assert!(advice.contains("another file is missing"), "{advice}");
    }

    #[test]
    fn ordinary_lines_are_no_failures() {
        for line in [
            "error rate: 0.25",
            "val_error=0.1 loss=0.5 infl=3",
            "epoch 3 loss 0.25 nan_count 0",
            "CUDA available: True, memory 24 GiB",
            "Downloading dataset files: 100%",
            "using encryption key from the environment",
            "UserWarning: the argument is deprecated",
        ] {
            assert_eq!(diagnose(&common(), &format!("{line}\n")), Diagnosis::default(), "{line}");
        }
    }

    #[test]
    fn last_line_of_a_traceback_is_the_headline() {
        let log = "KeyError: 'a'\n\nDuring handling of the above exception, another exception occurred:\n\n\
                   Traceback (most recent call last):\n  File \"train.py\", line 3\nmy.pkg.ShapeError: 3 is not 4\n";
        let diagnosis = diagnose(&common(), log);
        assert_eq!(diagnosis.headline.as_deref(), Some("my.pkg.ShapeError: 3 is not 4"));
        assert_eq!((diagnosis.kind, diagnosis.policy, diagnosis.advice), (None, None, None));
        let wrapped = format!("{log}torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n");
        assert_eq!(diagnose(&common(), &wrapped).headline.as_deref(), Some("KeyError: 'a'"));
    }

    #[test]
    fn a_networks_own_patterns_come_first() {
        let own = |text: &str, advice: &str, policy| Known {
            pattern: Pattern::new(text).unwrap(),
            advice: Some(advice.into()),
            kind: Option::map(policy, kind_of),
            policy,
        };
        let mut failures = common();
        failures.known.insert(0, own("Execution status: FAIL", "look above", None));
        failures
            .known
            .insert(0, own("batch \\d+ does not divide", "divide", Some(FailurePolicy::Infeasible)));
        let mixed = diagnose(
            &failures,
            "MemoryError\nValueError: batch 3 does not divide 4\nExecution status: FAIL\n",
        );
        assert_eq!((mixed.kind, mixed.policy), (Some(FailureKind::Known), Some(FailurePolicy::Infeasible)));
        let general = diagnose(&failures, "CUDA out of memory\nExecution status: FAIL\n");
        assert_eq!(general.kind, Some(FailureKind::OutOfMemory));
        assert!(general.advice.unwrap().contains("the GPU's memory"), "the cause comes before the verdict");
    }

    #[test]
    fn messages_of_status_files_are_read() {
        let mut notes = Notes::default();
        notes.failure_message = Some("CUDA out of memory".into());
        notes.last_status = Some("FAILURE".into());
        assert_eq!(common().diagnose(&[&notes]).kind, Some(FailureKind::OutOfMemory));
    }

    #[test]
    fn every_pattern_is_searched_for_while_a_log_grows() {
        for pattern in common().patterns() {
            let rules = MetricRules { failure_patterns: vec![pattern.clone()], ..MetricRules::default() };
            assert!(Metrics::compile(&rules).unwrap().searches_for_failure(0), "{pattern}");
        }
    }
}
