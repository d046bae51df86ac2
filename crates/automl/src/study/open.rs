//! Takes a study for work: creates it, or opens it again, under its lock.
//!
//! Everything that can be wrong with a study's program, patterns and devices is found before the first
//! trial, and before anything is written.

use super::view::{exists, other_owner};
use super::{Changes, StudyError, raise};
use crate::clock::{now_ms, steady};
use crate::dry_run::first_trial;
use crate::engine::failures::Failures;
use crate::engine::{Engine, EventLog, Parts, Uploads};
use crate::files::{self, InstalledPackage, StudyDir, find_program};
use crate::warm::WarmStart;
use automl_config::{LogRules, Pattern, TrialRecipe};
use automl_core::{EVENT_FORMAT, EndReason, Event, Record, Resources, Study, StudySettings, TrialId};
use automl_exec::devices::{NvmlProbe, discover};
use automl_exec::slots::{GpuRequest, Slot, SlotPlan};
use automl_exec::{GpuWatch, LocalExecutor};
use automl_scrape::{MetricRules, Metrics};
use automl_store::{SledStore, Store, StudyLock, read_journal};
use automl_transfer::{FetchError, Place, fetch};
use std::path::Path;
use std::sync::Arc;

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
    create_with(root, settings, recipe, runner, &WarmStart::default())
}

/// Creates a study as [`create`] does, that begins with what is known already: trials from elsewhere, and
/// configurations to try first. There is never a study without them.
///
/// # Errors
/// As for [`create`], and if a trial from elsewhere has not ended.
pub fn create_with(
    root: &Path,
    settings: StudySettings,
    recipe: TrialRecipe,
    runner: Vec<String>,
    start: &WarmStart,
) -> Result<OpenStudy, StudyError> {
    let dir = StudyDir::new(root, &settings.study);
    if has_begun(&dir) {
        return Err(StudyError::Exists { name: settings.study, path: dir.path().to_path_buf() });
    }
    let ready = Ready::check(&dir, &settings, recipe)?;
    // Before the study is there: what cannot be fetched must not leave half a study behind.
    fetch_downloads(&ready.recipe, &dir.downloads())?;
    let (log, lock) = begin(&dir, settings, start)?;
    Ok(ready.open(dir, log, lock, Vec::new(), runner))
}

/// Creates a study's folder and log, and holds it.
pub(crate) fn begin(
    dir: &StudyDir,
    settings: StudySettings,
    start: &WarmStart,
) -> Result<(EventLog, StudyLock), StudyError> {
    let (store, lock) = take_unborn(dir, &settings.study)?;
    let log = EventLog::create(Box::new(store), created(settings), start.events())?;
    write_settings(dir, log.study())?;
    Ok((log, lock))
}

/// Creates a study's folder with an empty log, and holds it.
pub(crate) fn take_unborn(dir: &StudyDir, name: &str) -> Result<(SledStore, StudyLock), StudyError> {
    let not_writable = |path: &Path| {
        let path = path.to_path_buf();
        move |source| StudyError::NotWritable { path, source }
    };
    std::fs::create_dir_all(dir.path()).map_err(not_writable(dir.path()))?;
    let lock = StudyLock::acquire(dir.path())?;
    if has_begun(dir) {
        return Err(StudyError::Exists { name: name.to_string(), path: dir.path().to_path_buf() });
    }
    clear_unborn(dir).map_err(not_writable(dir.path()))?;
    Ok((SledStore::create(dir.path())?, lock))
}

/// Returns the first record of a study's log.
pub(crate) fn created(settings: StudySettings) -> Record {
    let version = env!("CARGO_PKG_VERSION").to_string();
    let event = Event::StudyCreated { format: EVENT_FORMAT, version, settings: Box::new(settings) };
    Record { at: now_ms(), event }
}

/// Opens the log of an existing study and holds it. Returns what had to be mended, for people.
pub(crate) fn reopen(dir: &StudyDir) -> Result<(EventLog, StudyLock, Vec<String>), StudyError> {
    if !exists(dir) {
        return Err(StudyError::Missing { path: dir.path().to_path_buf() });
    }
    let lock = StudyLock::acquire(dir.path())?;
    let (store, recovery) = SledStore::open(dir.path())?;
    if store.last_seq() == 0 {
        return Err(StudyError::NotBegun { name: dir.name() });
    }
    let log = EventLog::open(Box::new(store))?;
    let (mut notes, other) = (recovery.notes, other_owner(dir, log.study()));
    if !dir.settings().exists() || other.is_some() {
        write_settings(dir, log.study())?;
    }
    notes.extend(other.map(|other| settings_mended(&other)));
    Ok((log, lock, notes))
}

/// Opens an existing study for work.
///
/// # Errors
/// If it does not exist, another engine holds it, its store is damaged beyond repair, or its program
/// or devices are missing.
pub fn open(dir: StudyDir, changes: &Changes, runner: Vec<String>) -> Result<OpenStudy, StudyError> {
    let (mut log, lock, mut notes) = reopen(&dir)?;
    if log.study().settings.recipe.is_null() {
        return Err(StudyError::NoProgram { name: dir.name() });
    }
    let mut settings = log.study().settings.clone();
    if let Some(resources) = &changes.resources {
        settings.resources = resources.clone();
    }
    let recipe = serde_json::from_value(settings.recipe.clone()).map_err(StudyError::Recipe)?;
    let ready = Ready::check(&dir, &settings, recipe)?;
    fetch_downloads(&ready.recipe, &dir.downloads())?;
    notes.extend(set_aside_unknown(&dir, log.study()));
    let started = log.study().started();
    if let Some(asked) = changes.trials.filter(|asked| *asked <= started && *asked != settings.trials) {
        return Err(StudyError::TooFewTrials { asked, started });
    }
    if let Some(max) = changes.max_fidelity {
        let events = raise(log.study(), max, changes.trials).map_err(|what| StudyError::Fidelity { what })?;
        events.into_iter().try_for_each(|event| log.record(now_ms(), event))?;
        log.commit()?;
    }
    // Who resumes what failed all over has mended it; a search that is spent needs more budget.
    let mended = log.study().ended.is_some_and(EndReason::can_be_mended);
    let Changes { trials, timeout_ms, gpu_time_ms, .. } = *changes;
    if trials.is_some() || timeout_ms.is_some() || gpu_time_ms.is_some() || mended {
        let event = Event::BudgetChanged { trials, timeout_ms, gpu_time_ms, parallel: None };
        log.record(now_ms(), event)?;
        log.commit()?;
    }
    let mut opened = ready.open(dir, log, lock, notes, runner);
    let told = opened.engine.settle_wishes()?;
    opened.notes.extend(told);
    Ok(opened)
}

/// Opens an existing study to end trials that survived their engine. What it takes to start trials is not
/// looked at, and none is started.
///
/// # Errors
/// If it does not exist, another engine holds it, or its store is damaged beyond repair.
pub fn open_to_end(dir: StudyDir, runner: Vec<String>) -> Result<OpenStudy, StudyError> {
    let (log, lock, notes) = reopen(&dir)?;
    let settings = &log.study().settings;
    if settings.recipe.is_null() {
        return Err(StudyError::NoProgram { name: dir.name() });
    }
    let recipe: TrialRecipe = serde_json::from_value(settings.recipe.clone()).map_err(StudyError::Recipe)?;
    let metrics = metrics_of(&recipe, settings)?;
    // Where its GPUs are gone there is no slot, and none is needed.
    let slots = slots(&settings.resources).map_or_else(|_| Vec::new(), |(slots, _)| slots);
    let ready = Ready { recipe, metrics: Arc::new(metrics), slots, notes: Vec::new(), upload_to: None };
    let mut opened = ready.open(dir, log, lock, notes, runner);
    opened.engine.only_end(None);
    let told = opened.engine.settle_wishes()?;
    opened.notes.extend(told);
    Ok(opened)
}

/// Fetches what the action needs; what is there already is whole and stays.
pub(crate) fn fetch_downloads(recipe: &TrialRecipe, folder: &Path) -> Result<(), FetchError> {
    recipe.downloads().iter().try_for_each(|download| fetch(&download.from, &folder.join(&download.name)))
}

/// Tells whether a study's first event was ever acknowledged, or may have been.
pub(crate) fn has_begun(dir: &StudyDir) -> bool {
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
    absent_is_fine(std::fs::remove_dir_all(dir.path().join(files::STORE)))?;
    absent_is_fine(std::fs::remove_file(dir.path().join(files::JOURNAL)))
}

/// Moves the folders of trials aside that the log does not know: their numbers will be given again, and
/// what lies there belongs to events that were lost. Returns what was done, for people.
fn set_aside_unknown(dir: &StudyDir, study: &Study) -> Option<String> {
    let next = study.next_trial();
    let unknown = (next.0..).map(TrialId).take_while(|trial| dir.trial(*trial).exists());
    let mut moved = Vec::new();
    for trial in unknown {
        let from = dir.trial(trial);
        let free = |n: &u32| !from.with_extension(format!("lost-{n}")).exists();
        let to = (1..).find(free).map(|n| from.with_extension(format!("lost-{n}")))?;
        match std::fs::rename(&from, &to) {
            Ok(()) => moved.push(trial.to_string()),
            Err(error) => return Some(format!("cannot move {} aside: {error}", from.display())),
        }
    }
    (!moved.is_empty()).then(|| {
        format!(
            "the log has lost its end: it does not know trial {}, whose folders are now {}/trials/*.lost-*",
            moved.join(", "),
            dir.path().display()
        )
    })
}

/// Says that the settings of another study were replaced.
pub(crate) fn settings_mended(other: &str) -> String {
    format!("study.json belonged to another study ({other}) and is written again from the log")
}

/// Writes what was asked for where people can read it.
pub(crate) fn write_settings(dir: &StudyDir, study: &Study) -> Result<(), StudyError> {
    let text = serde_json::to_string_pretty(&study.settings).map_err(StudyError::Recipe)?;
    let path = dir.settings();
    files::write(&path, text.as_bytes()).map_err(|source| StudyError::NotWritable { path, source })
}

/// Returns what is read out of the logs of a study's trials.
fn metrics_of(recipe: &TrialRecipe, settings: &StudySettings) -> Result<Metrics, StudyError> {
    let counted = settings.metrics().map(String::from).collect();
    Ok(Metrics::compile(&metric_rules(&LogRules::of_recipe(recipe), counted))?)
}

/// What must be in order before a study is created or taken over.
struct Ready {
    recipe: TrialRecipe,
    metrics: Arc<Metrics>,
    slots: Vec<Slot>,
    notes: Vec<String>,
    /// Where results are uploaded to.
    upload_to: Option<Place>,
}

impl Ready {
    fn check(dir: &StudyDir, settings: &StudySettings, recipe: TrialRecipe) -> Result<Self, StudyError> {
        let metrics = metrics_of(&recipe, settings)?;
        let (slots, reason) = slots(&settings.resources)?;
        let note = reason.map(|reason| format!("trials run on the CPU: {reason}"));
        let command = first_trial(dir, settings, &recipe)?.files;
        let package = recipe.package().map(|rule| Ok::<_, StudyError>((rule, InstalledPackage::find(rule)?)));
        let package = package.transpose()?.and_then(|(rule, installed)| installed.warning(rule));
        find_program(&command.argv[0], command.workdir.as_deref().unwrap_or(Path::new(&settings.workdir)))?;
        let upload_to = recipe.upload_to().map(Place::open).transpose()?;
        let notes = note.into_iter().chain(package).collect();
        Ok(Ready { recipe, metrics: Arc::new(metrics), slots, notes, upload_to })
    }

    fn open(
        self,
        dir: StudyDir,
        log: EventLog,
        lock: StudyLock,
        repairs: Vec<String>,
        runner: Vec<String>,
    ) -> OpenStudy {
        let (uploads, problem) =
            Uploads::start(self.upload_to, dir.uploads(), self.recipe.upload_rules().clone(), |_| false);
        let (sender, ended) = tokio::sync::mpsc::unbounded_channel();
        let engine = Engine::new(Parts {
            log,
            dir,
            recipe: self.recipe,
            metrics: self.metrics,
            executor: Box::new(LocalExecutor::new(runner, sender)),
            ended,
            gpus: GpuWatch::start(NvmlProbe, &self.slots),
            slots: self.slots.clone(),
            uploads,
            clock: steady(),
        });
        let notes = repairs.into_iter().chain(self.notes).chain(problem).collect();
        OpenStudy { engine, notes, slots: self.slots, _lock: lock }
    }
}

/// Returns the slots that resources give, and the reason where GPUs were looked for in vain.
///
/// # Errors
/// If the list of GPUs makes no sense, or they do not suffice.
pub fn slots(resources: &Resources) -> Result<(Vec<Slot>, Option<String>), StudyError> {
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
    Ok((slots, note.filter(|_| on_cpu)))
}

/// Returns what is searched for in the logs of a program; `monitoring` is what counts.
pub(crate) fn metric_rules(log: &LogRules, monitoring: Vec<String>) -> MetricRules {
    let rules = &log.metrics;
    let texts = |patterns: &[Pattern]| patterns.iter().map(|pattern| pattern.as_str().into()).collect();
    MetricRules {
        monitoring,
        available: rules.available.clone(),
        dynamic_patterns: texts(&rules.patterns),
        line_patterns: texts(&rules.line_patterns),
        failure_patterns: Failures::of(&log.error_patterns).patterns(),
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
