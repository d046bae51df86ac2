//! The life of a study: created, opened again, looked at.

use crate::clock::now_ms;
use crate::dry_run::first_trial;
use crate::engine::{Engine, EventLog, LogError, Parts, fold};
use crate::files::{self, ProgramError, StudyDir, find_program};
use automl_config::{RecipeError, StudyRecipe, TrialRecipe};
use automl_core::{
    Algorithm, EVENT_FORMAT, Event, Fidelity, FidelityPlan, Limits, Record, Resources, Study, StudySettings,
    rng,
};
use automl_exec::LocalExecutor;
use automl_exec::devices::{NvmlProbe, discover};
use automl_exec::slots::{GpuRequest, Slot, SlotError, SlotPlan};
use automl_scheduler::default_trials;
use automl_scrape::{MetricRules, Metrics, RuleError};
use automl_store::{EngineInfo, LockError, SledStore, StoreError, StudyLock, read_journal, running_engine};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// Everything a user can choose about a new study beside its recipe.
#[derive(Clone, Debug)]
pub struct StudyOptions {
    /// Name, and folder under the root.
    pub name: String,
    /// Algorithm.
    pub algorithm: Algorithm,
    /// Root of every random choice.
    pub seed: u64,
    /// Number of trials; absent means the algorithm's own default.
    pub trials: Option<u64>,
    /// Wall-clock limit of the search in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Fidelity of a finished trial; absent means that of the spec.
    pub max_fidelity: Option<u64>,
    /// Smallest fidelity worth looking at.
    pub min_fidelity: u64,
    /// Factor between one rung and the next.
    pub reduction_factor: u64,
    /// How often a failed trial is tried again.
    pub retries: u32,
    /// The search ends after so many failed trials in a row.
    pub max_consecutive_failures: u32,
    /// Limits of an attempt.
    pub limits: Limits,
    /// What trials run on.
    pub resources: Resources,
    /// Folder that programs start in; absolute.
    pub workdir: PathBuf,
}

/// Trials of a study whose user names no number and whose algorithm has none of its own.
pub const DEFAULT_TRIALS: u64 = 20;

/// Why a study cannot be created, opened or looked at.
#[derive(Debug, Error)]
pub enum StudyError {
    /// A name that cannot be a folder.
    #[error(
        "`{name}` cannot be a study's name: use letters, digits, `-`, `_` and `.`, not beginning with `.`"
    )]
    BadName {
        /// The name.
        name: String,
    },
    /// A study of that name is there already.
    #[error("study `{name}` exists in {}; `automl resume {name}` carries it on, `--name` gives the new one another name", path.display())]
    Exists {
        /// The name.
        name: String,
        /// Its folder.
        path: PathBuf,
    },
    /// No such study.
    #[error("there is no study in {}", path.display())]
    Missing {
        /// The folder looked into.
        path: PathBuf,
    },
    /// A folder or file cannot be written.
    #[error("cannot write {}: {source}; choose another folder with `--root`", path.display())]
    NotWritable {
        /// The path.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Fidelities that make no sense together.
    #[error("{what}")]
    Fidelity {
        /// What is wrong, and what to do.
        what: String,
    },
    /// Another engine works on the study.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The recipe kept in the log cannot be read.
    #[error("the study's recipe cannot be read: {0}")]
    Recipe(serde_json::Error),
    /// A metric pattern of the network config is no regular expression.
    #[error(transparent)]
    Patterns(#[from] RuleError),
    /// The trials' program is missing.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The command of a trial cannot be built.
    #[error(transparent)]
    Realise(#[from] RecipeError),
    /// GPUs or slots that do not exist.
    #[error(transparent)]
    Slots(#[from] SlotError),
    /// A GPU list that is none.
    #[error("`{text}` is no GPU list: use `all`, `none` or indices such as `0,2`")]
    GpuList {
        /// What was given.
        text: String,
    },
}

/// A study opened for work, and what had to be mended to open it.
pub struct OpenStudy {
    /// The engine, ready to run.
    pub engine: Engine,
    /// Repairs of the store and facts about devices, for people.
    pub notes: Vec<String>,
    /// Slots that trials run in.
    pub slots: Vec<Slot>,
    /// Held as long as the study is worked on.
    _lock: StudyLock,
}

/// A change that a resumed study begins with.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// New number of trials in all.
    pub trials: Option<u64>,
    /// New wall-clock limit.
    pub timeout_ms: Option<u64>,
    /// Other resources for this engine.
    pub resources: Option<Resources>,
}

/// Resolves options and recipe into the settings that the first event records.
///
/// # Errors
/// If the name or the fidelities make no sense.
pub fn settings(recipe: &StudyRecipe, options: &StudyOptions) -> Result<StudySettings, StudyError> {
    check_name(&options.name)?;
    let fidelity = fidelity_plan(recipe, options)?;
    let trials =
        options.trials.unwrap_or_else(|| default_trials(options.algorithm, &fidelity, DEFAULT_TRIALS));
    Ok(StudySettings {
        study: options.name.clone(),
        tag: format!("{:08x}", new_tag(&options.name)),
        space: recipe.space.clone(),
        objective: recipe.objective.clone(),
        algorithm: options.algorithm,
        seed: options.seed,
        trials,
        timeout_ms: options.timeout_ms,
        fidelity,
        retries: options.retries,
        max_consecutive_failures: options.max_consecutive_failures,
        limits: options.limits.clone(),
        resources: options.resources.clone(),
        workdir: options.workdir.to_string_lossy().into_owned(),
        recipe: serde_json::to_value(&recipe.trial).map_err(StudyError::Recipe)?,
    })
}

/// Creates a study's folder and log, and opens it for work. The recipe is the one that the settings were
/// made from: what they record of it holds no secrets.
///
/// # Errors
/// If the study exists, cannot be written, or its program or devices are missing. Nothing is left
/// behind when the program or a device is missing.
pub fn create(
    root: &Path,
    settings: StudySettings,
    recipe: TrialRecipe,
    runner: Vec<String>,
) -> Result<OpenStudy, StudyError> {
    let dir = StudyDir::new(root, &settings.study);
    if has_begun(&dir) {
        return Err(StudyError::Exists { name: settings.study, path: dir.path().to_path_buf() });
    }
    let ready = Ready::check(&dir, &settings, recipe)?;
    let not_writable = |path: &Path| {
        let path = path.to_path_buf();
        move |source| StudyError::NotWritable { path, source }
    };
    std::fs::create_dir_all(dir.path()).map_err(not_writable(dir.path()))?;
    let lock = StudyLock::acquire(dir.path())?;
    if has_begun(&dir) {
        return Err(StudyError::Exists { name: settings.study, path: dir.path().to_path_buf() });
    }
    clear_unborn(&dir).map_err(not_writable(dir.path()))?;
    let store = SledStore::create(dir.path())?;
    let version = env!("CARGO_PKG_VERSION").to_string();
    let event = Event::StudyCreated { format: EVENT_FORMAT, version, settings: Box::new(settings) };
    let log = EventLog::create(Box::new(store), Record { at: now_ms(), event })?;
    write_settings(&dir, log.study())?;
    Ok(ready.open(dir, log, lock, Vec::new(), runner))
}

/// Opens an existing study for work.
///
/// # Errors
/// If it does not exist, another engine holds it, its store is damaged beyond repair, or its program
/// or devices are missing.
pub fn open(dir: StudyDir, changes: &Changes, runner: Vec<String>) -> Result<OpenStudy, StudyError> {
    if !exists(&dir) {
        return Err(StudyError::Missing { path: dir.path().to_path_buf() });
    }
    let lock = StudyLock::acquire(dir.path())?;
    let (store, recovery) = SledStore::open(dir.path())?;
    let mut log = EventLog::open(Box::new(store))?;
    if !dir.settings().exists() {
        write_settings(&dir, log.study())?;
    }
    let mut settings = log.study().settings.clone();
    if let Some(resources) = &changes.resources {
        settings.resources = resources.clone();
    }
    let recipe = serde_json::from_value(settings.recipe.clone()).map_err(StudyError::Recipe)?;
    let ready = Ready::check(&dir, &settings, recipe)?;
    if changes.trials.is_some() || changes.timeout_ms.is_some() {
        let event = Event::BudgetChanged { trials: changes.trials, timeout_ms: changes.timeout_ms };
        log.record(now_ms(), event)?;
        log.commit()?;
    }
    Ok(ready.open(dir, log, lock, recovery.notes, runner))
}

/// Tells whether a folder holds a study.
#[must_use]
pub fn exists(dir: &StudyDir) -> bool {
    dir.settings().exists() || dir.path().join(JOURNAL).exists() || dir.path().join(STORE).exists()
}

/// Names of the log's two halves, as `automl-store` writes them.
const JOURNAL: &str = "events.jsonl";
const STORE: &str = "store";

/// Tells whether a study's first event was ever acknowledged, or may have been.
fn has_begun(dir: &StudyDir) -> bool {
    match read_journal(dir.path()) {
        Ok(journal) => !journal.records.is_empty(),
        Err(_) => dir.settings().exists(),
    }
}

/// Removes what an engine left that was killed before it could record the first event.
fn clear_unborn(dir: &StudyDir) -> std::io::Result<()> {
    let absent_is_fine = |result: std::io::Result<()>| match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    absent_is_fine(std::fs::remove_dir_all(dir.path().join(STORE)))?;
    absent_is_fine(std::fs::remove_file(dir.path().join(JOURNAL)))
}

/// Writes what was asked for where people can read it.
fn write_settings(dir: &StudyDir, study: &Study) -> Result<(), StudyError> {
    let text = serde_json::to_string_pretty(&study.settings).map_err(StudyError::Recipe)?;
    let path = dir.settings();
    files::write(&path, text.as_bytes()).map_err(|source| StudyError::NotWritable { path, source })
}

/// A study as a reader sees it: its state, and who works on it.
#[derive(Debug)]
pub struct View {
    /// The state.
    pub study: Study,
    /// The engine that works on it now.
    pub engine: Option<EngineInfo>,
    /// What is damaged in the part that was read; the next engine mends it.
    pub damage: Option<String>,
}

/// Looks at a study without taking it: works while an engine runs, writes nothing, waits for nobody.
///
/// # Errors
/// If there is no study, or its log cannot be read.
pub fn view(dir: &StudyDir) -> Result<View, StudyError> {
    if !exists(dir) {
        return Err(StudyError::Missing { path: dir.path().to_path_buf() });
    }
    let journal = read_journal(dir.path())?;
    Ok(View { study: fold(&journal.records)?, engine: running_engine(dir.path()), damage: journal.damage })
}

/// Returns the names of the studies under a root, sorted.
#[must_use]
pub fn list(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| exists(&StudyDir::at(entry.path())))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// What must be in order before a study is created or taken over.
struct Ready {
    recipe: TrialRecipe,
    metrics: Arc<Metrics>,
    slots: Vec<Slot>,
    notes: Vec<String>,
}

impl Ready {
    fn check(dir: &StudyDir, settings: &StudySettings, recipe: TrialRecipe) -> Result<Self, StudyError> {
        let metrics = Metrics::compile(&metric_rules(&recipe))?;
        let (slots, note) = slots(&settings.resources)?;
        let command = first_trial(dir, settings, &recipe)?.files;
        find_program(&command.argv[0], command.workdir.as_deref().unwrap_or(Path::new(&settings.workdir)))?;
        Ok(Ready { recipe, metrics: Arc::new(metrics), slots, notes: note.into_iter().collect() })
    }

    fn open(
        self,
        dir: StudyDir,
        log: EventLog,
        lock: StudyLock,
        repairs: Vec<String>,
        runner: Vec<String>,
    ) -> OpenStudy {
        let (sender, ended) = tokio::sync::mpsc::unbounded_channel();
        let engine = Engine::new(Parts {
            log,
            dir,
            recipe: self.recipe,
            metrics: self.metrics,
            executor: Box::new(LocalExecutor::new(runner, sender)),
            ended,
            slots: self.slots.clone(),
        });
        let notes = repairs.into_iter().chain(self.notes).collect();
        OpenStudy { engine, notes, slots: self.slots, _lock: lock }
    }
}

fn slots(resources: &Resources) -> Result<(Vec<Slot>, Option<String>), StudyError> {
    let request = gpu_request(&resources.gpus)?;
    let (gpus, note) = match request {
        GpuRequest::None => (Vec::new(), None),
        GpuRequest::All | GpuRequest::List(_) => {
            let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
            let inventory = discover(&NvmlProbe, visible.as_deref());
            (inventory.gpus, inventory.note)
        }
    };
    let cpus = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
    let slots = SlotPlan::new(request, resources.gpus_per_trial, resources.parallel, &gpus, cpus)?;
    let on_cpu = slots.iter().all(|slot| slot.gpus.is_empty());
    Ok((slots, note.filter(|_| on_cpu).map(|note| format!("trials run on the CPU: {note}"))))
}

fn metric_rules(recipe: &TrialRecipe) -> MetricRules {
    let rules = recipe.metric_rules();
    MetricRules {
        monitoring: vec![rules.monitoring.clone()],
        available: rules.available.clone(),
        dynamic_patterns: rules.patterns.iter().map(|pattern| pattern.as_str().to_string()).collect(),
    }
}

fn gpu_request(text: &str) -> Result<GpuRequest, StudyError> {
    match text {
        "all" => Ok(GpuRequest::All),
        "none" => Ok(GpuRequest::None),
        list => {
            let indices = list.split(',').map(|index| index.trim().parse());
            let indices = indices.collect::<Result<Vec<u32>, _>>();
            indices.map(GpuRequest::List).map_err(|_| StudyError::GpuList { text: text.into() })
        }
    }
}

fn fidelity_plan(recipe: &StudyRecipe, options: &StudyOptions) -> Result<FidelityPlan, StudyError> {
    let max = options.max_fidelity.unwrap_or(recipe.full_fidelity);
    let wrong = |what: String| Err(StudyError::Fidelity { what });
    if max == 0 || options.min_fidelity == 0 {
        return wrong("fidelities begin at 1: raise `--min-fidelity` or `--max-fidelity`".into());
    }
    if options.min_fidelity > max {
        let min = options.min_fidelity;
        return wrong(format!("--min-fidelity {min} is above the largest fidelity {max}; lower it"));
    }
    if options.reduction_factor < 2 {
        return wrong(format!("--eta {} must be at least 2", options.reduction_factor));
    }
    if options.algorithm == Algorithm::Hyperband && !recipe.resumable {
        return wrong(
            "hyperband pauses and resumes trials, and this program's checkpoints are not known; \
             use `--algorithm bayesian`, or declare `fidelity` and `resume` in the network config"
                .into(),
        );
    }
    Ok(FidelityPlan {
        unit: recipe.fidelity_unit.clone(),
        min: Fidelity(options.min_fidelity),
        max: Fidelity(max),
        reduction_factor: options.reduction_factor,
        resumable: recipe.resumable,
    })
}

fn check_name(name: &str) -> Result<(), StudyError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let sound = !name.is_empty() && name.len() <= 100 && !name.starts_with('.') && name.chars().all(allowed);
    if sound { Ok(()) } else { Err(StudyError::BadName { name: name.into() }) }
}

/// A number that two studies hardly share, even of one name: made once, then kept in the log.
fn new_tag(name: &str) -> u32 {
    let words: Vec<u64> = name.bytes().map(u64::from).collect();
    rng::derive(&[now_ms(), u64::from(std::process::id()), rng::derive(&words)]) as u32
}
