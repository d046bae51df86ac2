//! Finds the GPUs of this machine and who else uses them.
//!
//! NVML (the NVIDIA driver's own library, loaded at run time) is asked; `CUDA_VISIBLE_DEVICES` restricts
//! its answer, as batch systems grant GPUs that way, and stands in for it where there is no NVML. A
//! machine without a driver is an ordinary case: an empty list with a reason. Indices are in PCI bus
//! order, see [`crate::slots::Slot::env`].

use std::collections::BTreeMap;
use std::fs;

use nvml_wrapper::Nvml;
use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enum_wrappers::device::{EccCounter, MemoryError};
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::enums::event::XidError;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;

use crate::process::MARKER;
use crate::{AttemptKey, GpuError};

const MIB: u64 = 1024 * 1024;
/// How long the driver is waited for at a time.
const ERRORS_WAIT_MS: u32 = 3000;

/// One GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    /// Index in PCI bus order.
    pub index: u32,
    /// Permanent identifier (`GPU-...`); empty if there was no driver to ask.
    pub uuid: String,
    /// Product name; empty if there was no driver to ask.
    pub name: String,
    /// Memory in MiB; 0 if there was no driver to ask.
    pub memory_total_mib: u64,
    /// Unused memory in MiB at the moment of looking; 0 if there was no driver to ask.
    pub memory_free_mib: u64,
}

/// One process that uses a GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuProcess {
    /// Index of the GPU.
    pub gpu: u32,
    /// Process id.
    pub pid: u32,
    /// Command name; empty if it cannot be looked up (another container).
    pub name: String,
    /// GPU memory it holds, in MiB, where the driver tells.
    pub memory_mib: Option<u64>,
}

/// The GPUs that may be used, and why there are not more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// The GPUs, by index.
    pub gpus: Vec<Gpu>,
    /// What was left out or could not be asked, for people.
    pub note: Option<String>,
}

/// A source of facts about GPUs; an error is the reason, for people.
pub trait GpuProbe {
    /// Lists all GPUs of the machine.
    ///
    /// # Errors
    /// There is no driver, or it does not answer.
    fn gpus(&self) -> Result<Vec<Gpu>, String>;

    /// Lists the processes that use any of them.
    ///
    /// # Errors
    /// There is no driver, or it does not answer.
    fn processes(&self) -> Result<Vec<GpuProcess>, String>;

    /// Lists the GPUs that must not be used, by index, and why.
    ///
    /// # Errors
    /// There is no driver, or it does not answer.
    fn faults(&self) -> Result<BTreeMap<u32, String>, String>;

    /// Hands on every critical error that a GPU reports from now on, until `is_over` says so; it is asked
    /// every few seconds.
    ///
    /// # Errors
    /// There is no driver, or it reports no errors.
    fn watch_errors(&self, is_over: &dyn Fn() -> bool, sink: &mut dyn FnMut(GpuError)) -> Result<(), String>;
}

/// Asks the NVIDIA driver.
#[derive(Debug, Clone, Copy, Default)]
pub struct NvmlProbe;

/// Returns the GPUs that may be used.
///
/// `visible` is the value of `CUDA_VISIBLE_DEVICES`, if it is set. As in CUDA, it lists indices or
/// beginnings of UUIDs, and nothing after the first unknown entry counts.
pub fn discover(probe: &dyn GpuProbe, visible: Option<&str>) -> Inventory {
    match (probe.gpus(), visible) {
        (Ok(gpus), None) => Inventory { gpus, note: None },
        (Ok(gpus), Some(visible)) => restrict(&gpus, visible),
        (Err(reason), None) => Inventory { gpus: Vec::new(), note: Some(reason) },
        (Err(reason), Some(visible)) => assume(visible, &reason),
    }
}

/// Returns the processes on GPUs that no attempt started.
///
/// # Errors
/// The reason why the probe could not tell.
pub fn foreign_processes(probe: &dyn GpuProbe) -> Result<Vec<GpuProcess>, String> {
    let mut processes = probe.processes()?;
    processes.retain(|process| attempt_of(process.pid).is_none());
    Ok(processes)
}

impl Gpu {
    /// Returns a GPU of which nothing but the index is known.
    pub fn numbered(index: u32) -> Self {
        Self { index, uuid: String::new(), name: String::new(), memory_total_mib: 0, memory_free_mib: 0 }
    }
}

impl GpuProbe for NvmlProbe {
    fn gpus(&self) -> Result<Vec<Gpu>, String> {
        each_device(|nvml, index| describe(nvml, index).map(|gpu| vec![gpu]))
    }

    fn processes(&self) -> Result<Vec<GpuProcess>, String> {
        each_device(users)
    }

    fn faults(&self) -> Result<BTreeMap<u32, String>, String> {
        let found =
            each_device(|nvml, index| Ok(fault(nvml, index).map(|why| (index, why)).into_iter().collect()))?;
        Ok(found.into_iter().collect())
    }

    fn watch_errors(&self, is_over: &dyn Fn() -> bool, sink: &mut dyn FnMut(GpuError)) -> Result<(), String> {
        watch_errors(is_over, sink).map_err(|error| format!("the NVIDIA driver reports no errors: {error}"))
    }
}

fn watch_errors(is_over: &dyn Fn() -> bool, sink: &mut dyn FnMut(GpuError)) -> Result<(), NvmlError> {
    let nvml = Nvml::init()?;
    let mut events = nvml.create_event_set()?;
    for index in 0..nvml.device_count()? {
        let device = nvml.device_by_index(index)?;
        events =
            device.register_events(EventTypes::CRITICAL_XID_ERROR, events).map_err(|error| error.error)?;
    }
    while !is_over() {
        let event = match events.wait(ERRORS_WAIT_MS) {
            Ok(event) => event,
            Err(NvmlError::Timeout) => continue,
            // Which GPU it was is found by asking each of them for its faults.
            Err(error) => return Err(error),
        };
        let xid = match event.event_data {
            Some(XidError::Value(xid)) => Some(xid),
            Some(XidError::Unknown) | None => None,
        };
        if let Ok(gpu) = event.device.index() {
            sink(GpuError { gpu, xid });
        }
    }
    Ok(())
}

/// Returns what is wrong with a GPU. One that the driver does not list at all is not found here: its trials
/// fail, and are tried again elsewhere.
fn fault(nvml: &Nvml, index: u32) -> Option<String> {
    let device = match nvml.device_by_index(index) {
        Ok(device) => device,
        Err(NvmlError::GpuLost) => return Some("it has fallen off the bus".into()),
        Err(_) => return None,
    };
    if let Err(NvmlError::GpuLost) = device.memory_info() {
        return Some("it has fallen off the bus".into());
    }
    // Consumer GPUs count no errors and say so with one.
    let errors = device.total_ecc_errors(MemoryError::Uncorrected, EccCounter::Volatile).unwrap_or(0);
    (errors > 0)
        .then(|| format!("{errors} memory errors that could not be corrected since the driver was loaded"))
}

fn each_device<T>(ask: impl Fn(&Nvml, u32) -> Result<Vec<T>, NvmlError>) -> Result<Vec<T>, String> {
    let ask_all = || -> Result<Vec<T>, NvmlError> {
        let nvml = Nvml::init()?;
        let mut answers = Vec::new();
        for index in 0..nvml.device_count()? {
            answers.extend(ask(&nvml, index)?);
        }
        Ok(answers)
    };
    ask_all().map_err(|error| unasked(&error))
}

/// Says why the driver did not answer. On a machine without one this is said before every search.
fn unasked(error: &NvmlError) -> String {
    match error {
        NvmlError::LibloadingError(why) if why.to_string().contains("No such file") => {
            "no NVIDIA driver was found".into()
        }
        error => format!("the NVIDIA driver cannot be asked for GPUs: {error}"),
    }
}

fn describe(nvml: &Nvml, index: u32) -> Result<Gpu, NvmlError> {
    let device = nvml.device_by_index(index)?;
    let memory = device.memory_info()?;
    Ok(Gpu {
        index,
        uuid: device.uuid()?,
        name: device.name()?,
        memory_total_mib: memory.total / MIB,
        memory_free_mib: memory.free / MIB,
    })
}

fn users(nvml: &Nvml, index: u32) -> Result<Vec<GpuProcess>, NvmlError> {
    let device = nvml.device_by_index(index)?;
    let mut used = device.running_compute_processes()?;
    // Data centre drivers know no graphics processes and answer with an error.
    used.extend(device.running_graphics_processes().unwrap_or_default());
    used.sort_by_key(|used| used.pid);
    used.dedup_by_key(|used| used.pid);
    let memory_mib = |memory: &UsedGpuMemory| match memory {
        UsedGpuMemory::Used(bytes) => Some(bytes / MIB),
        UsedGpuMemory::Unavailable => None,
    };
    let user = |used: &ProcessInfo| GpuProcess {
        gpu: index,
        pid: used.pid,
        name: command_name(used.pid),
        memory_mib: memory_mib(&used.used_gpu_memory),
    };
    Ok(used.iter().map(user).collect())
}

fn command_name(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).map(|name| name.trim_end().to_owned()).unwrap_or_default()
}

/// Returns the attempt that a process belongs to, of whatever study, if it belongs to one.
pub(crate) fn attempt_of(pid: u32) -> Option<AttemptKey> {
    let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let marker = format!("{MARKER}=");
    let mut variables = environ.split(|&byte| byte == 0);
    let value = variables.find_map(|variable| variable.strip_prefix(marker.as_bytes()))?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn entries(visible: &str) -> impl Iterator<Item = &str> {
    visible.split(',').map(str::trim)
}

/// Keeps the GPUs that the variable lists.
fn restrict(gpus: &[Gpu], visible: &str) -> Inventory {
    let named = |entry: &str| match entry.parse::<u32>() {
        Ok(index) => gpus.iter().find(|gpu| gpu.index == index),
        Err(_) if entry.starts_with("GPU-") => gpus.iter().find(|gpu| gpu.uuid.starts_with(entry)),
        Err(_) => None,
    };
    let mut kept: Vec<Gpu> = entries(visible).map_while(named).cloned().collect();
    kept.sort_by_key(|gpu| gpu.index);
    kept.dedup_by_key(|gpu| gpu.index);
    let note = (kept.len() < gpus.len())
        .then(|| format!("CUDA_VISIBLE_DEVICES={visible} leaves {} of {} GPUs", kept.len(), gpus.len()));
    Inventory { gpus: kept, note }
}

/// Takes the variable's word for it where nobody can be asked.
fn assume(visible: &str, reason: &str) -> Inventory {
    let mut gpus: Vec<Gpu> =
        entries(visible).map_while(|entry| entry.parse().ok()).map(Gpu::numbered).collect();
    gpus.sort_by_key(|gpu| gpu.index);
    gpus.dedup_by_key(|gpu| gpu.index);
    let note = match gpus.len() {
        0 => format!("{reason}; CUDA_VISIBLE_DEVICES={visible} names no GPU by index"),
        count => format!("{reason}; taking the {count} GPUs of CUDA_VISIBLE_DEVICES={visible} on trust"),
    };
    Inventory { gpus, note: Some(note) }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::process::wait_for_environment;

    #[test]
    fn a_machine_without_a_driver_is_told_so() {
        let nowhere = Nvml::builder().lib_path("libnot-there.so".as_ref()).init().unwrap_err();
        assert_eq!(unasked(&nowhere), "no NVIDIA driver was found");
        assert!(unasked(&NvmlError::DriverNotLoaded).contains("cannot be asked"));
    }

    struct Fake {
        gpus: Result<Vec<Gpu>, String>,
        processes: Vec<GpuProcess>,
    }

    impl GpuProbe for Fake {
        fn gpus(&self) -> Result<Vec<Gpu>, String> {
            self.gpus.clone()
        }

        fn processes(&self) -> Result<Vec<GpuProcess>, String> {
            self.gpus.clone().map(|_| self.processes.clone())
        }

        fn faults(&self) -> Result<BTreeMap<u32, String>, String> {
            self.gpus.clone().map(|_| BTreeMap::new())
        }

        fn watch_errors(&self, _: &dyn Fn() -> bool, _: &mut dyn FnMut(GpuError)) -> Result<(), String> {
            self.gpus.clone().map(drop)
        }
    }

    fn machine(count: u32) -> Fake {
        let gpu = |index| Gpu { uuid: format!("GPU-{index}abc-def"), ..Gpu::numbered(index) };
        Fake { gpus: Ok((0..count).map(gpu).collect()), processes: vec![] }
    }

    fn no_driver() -> Fake {
        Fake { gpus: Err("no driver".into()), processes: vec![] }
    }

    fn check(fake: &Fake, visible: Option<&str>, expected: &[u32], note: bool) {
        let found = discover(fake, visible);
        let indices: Vec<u32> = found.gpus.iter().map(|gpu| gpu.index).collect();
        assert_eq!(indices, expected, "{visible:?}");
        assert_eq!(found.note.is_some(), note, "{visible:?}: {:?}", found.note);
    }

    #[test]
    fn variable_restricts_what_the_driver_lists() {
        check(&machine(4), None, &[0, 1, 2, 3], false);
        check(&machine(4), Some("3, 1"), &[1, 3], true);
        check(&machine(2), Some("0,1,1"), &[0, 1], false);
        check(&machine(4), Some("GPU-2abc,0"), &[0, 2], true);
        check(&machine(4), Some("1,9,2"), &[1], true);
        check(&machine(4), Some("-1"), &[], true);
        check(&machine(4), Some(""), &[], true);
    }

    #[test]
    fn variable_stands_in_for_a_missing_driver() {
        check(&no_driver(), None, &[], true);
        check(&no_driver(), Some("1,0"), &[0, 1], true);
        check(&no_driver(), Some("GPU-2abc"), &[], true);
        assert!(discover(&no_driver(), None).note.unwrap().contains("no driver"));
    }

    #[test]
    fn asking_the_driver_never_panics() {
        let inventory = discover(&NvmlProbe, None);
        assert!(!inventory.gpus.is_empty() || inventory.note.is_some());
        assert_eq!(foreign_processes(&NvmlProbe).is_ok(), NvmlProbe.gpus().is_ok());
        // Where there is a driver, it may report no errors (in some virtual machines); it must not panic.
        let watched = NvmlProbe.watch_errors(&|| true, &mut |_| ());
        assert!(watched.is_err() || NvmlProbe.gpus().is_ok());
    }

    #[test]
    fn processes_of_attempts_are_not_foreign() {
        let mut ours = Command::new("sleep").arg("60").env(MARKER, "am-0000000a-t1-a1").spawn().unwrap();
        let mut theirs = Command::new("sleep").arg("60").env_remove(MARKER).spawn().unwrap();
        wait_for_environment(ours.id());
        wait_for_environment(theirs.id());
        let process = |pid| GpuProcess { gpu: 0, pid, name: command_name(pid), memory_mib: None };
        let fake = Fake { processes: vec![process(ours.id()), process(theirs.id())], ..machine(1) };
        let foreign = foreign_processes(&fake).unwrap();
        for child in [&mut ours, &mut theirs] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert_eq!(foreign.iter().map(|process| process.pid).collect::<Vec<_>>(), [theirs.id()]);
        assert_eq!(foreign[0].name, "sleep");
        assert!(foreign_processes(&no_driver()).is_err());
    }
}
