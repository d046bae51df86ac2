//! What trials compute with: GPUs, and the trial program that links libtorch.

use super::Finding;
use automl::find_program;
use automl_exec::devices::{GpuProcess, Inventory, NvmlProbe, discover, foreign_processes};
use std::env;
use std::process::{Command, Stdio};

/// The packaged networks' trial program.
const TRAINER: &str = "automl-torch";
const GPU_FIX: &str = "trials run on the CPU; install the NVIDIA driver, or give the container its GPUs";

/// Looks at GPUs, their users, and the trainer.
pub(super) fn check() -> Vec<Finding> {
    let visible = env::var("CUDA_VISIBLE_DEVICES").ok();
    let mut findings = gpus(&discover(&NvmlProbe, visible.as_deref()));
    // Without a driver there is nobody to ask; the line above says so already.
    findings.extend(foreign_processes(&NvmlProbe).unwrap_or_default().iter().map(foreign));
    findings.push(trainer());
    findings
}

fn gpus(inventory: &Inventory) -> Vec<Finding> {
    let note = inventory.note.clone();
    if inventory.gpus.is_empty() {
        return vec![Finding::warn("gpu", note.unwrap_or_else(|| "there is none".into()), GPU_FIX)];
    }
    let describe = |gpu: &automl_exec::devices::Gpu| {
        let (free, total) = (gpu.memory_free_mib, gpu.memory_total_mib);
        Finding::ok("gpu", format!("{}: {}, {free} of {total} MiB free", gpu.index, gpu.name))
    };
    let mut findings: Vec<Finding> = inventory.gpus.iter().map(describe).collect();
    findings
        .extend(note.map(|note| Finding::warn("gpu", note, "unset CUDA_VISIBLE_DEVICES to use all GPUs")));
    findings
}

fn foreign(process: &GpuProcess) -> Finding {
    let memory = process.memory_mib.map_or_else(String::new, |mib| format!(" with {mib} MiB"));
    let name = if process.name.is_empty() { "" } else { &process.name };
    let message = format!("GPU {} is also used by process {} {name}{memory}", process.gpu, process.pid);
    Finding::warn("gpu", message, "wait for it, or choose other GPUs with `--gpus`")
}

fn trainer() -> Finding {
    let here = env::current_dir().unwrap_or_default();
    let path = match find_program(TRAINER, &here) {
        Ok(path) => path,
        Err(error) => {
            return Finding::warn(
                "trainer",
                error.to_string(),
                "only networks need it; other programs run without",
            );
        }
    };
    let output = Command::new(&path).arg("devices").stdin(Stdio::null()).output();
    let fix = "`ldd` on it shows missing libraries; build it again with `make build`";
    match output {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            Finding::ok("trainer", format!("{}: {}", path.display(), one_line(&text)))
        }
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr);
            Finding::warn("trainer", format!("{} does not start: {}", path.display(), one_line(&text)), fix)
        }
        Err(error) => Finding::warn("trainer", format!("{} cannot be started: {error}", path.display()), fix),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::Health;
    use automl_exec::devices::Gpu;

    #[test]
    fn machines_without_gpu_are_warned_about() {
        let none = gpus(&Inventory { gpus: Vec::new(), note: Some("no driver".into()) });
        assert_eq!((none[0].health, none[0].message.as_str()), (Health::Warn, "no driver"));
        let two = gpus(&Inventory { gpus: vec![Gpu::numbered(0), Gpu::numbered(1)], note: None });
        assert_eq!(two.iter().filter(|finding| finding.health == Health::Ok).count(), 2);
    }
}
