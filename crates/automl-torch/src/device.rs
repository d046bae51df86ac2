//! Chooses the device and brings in libtorch's CUDA part where there is a GPU.
//!
//! The binary links the CPU part only. `libtorch_cuda.so` is opened at run time, so one binary serves
//! machines with and without a GPU, and a CPU run starts without loading it.

use std::path::Path;

use tch::{Cuda, Device};

/// A device that was asked for and is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeviceError {
    /// More devices asked for than visible.
    #[error(
        "not enough GPUs: train.num_gpus={asked}: {visible} visible; lower it or change CUDA_VISIBLE_DEVICES"
    )]
    TooFew {
        /// `train.num_gpus`.
        asked: i64,
        /// Devices CUDA reports.
        visible: i64,
    },
    /// The index is beyond the visible devices.
    #[error(
        "no such GPU: train.gpu_ids=[{id}]: {visible} visible, counted from 0 within CUDA_VISIBLE_DEVICES"
    )]
    NoSuch {
        /// First entry of `train.gpu_ids`.
        id: i64,
        /// Devices CUDA reports.
        visible: i64,
    },
}

/// The device of a run, with what the user should be told about it.
#[derive(Debug)]
pub(crate) struct Selection {
    /// Where tensors live.
    pub(crate) device: Device,
    /// Warnings, one line each.
    pub(crate) warnings: Vec<String>,
}

/// Loads CUDA where a GPU is likely, and picks the device.
pub(crate) fn select(num_gpus: i64, gpu_id: i64) -> Result<Selection, DeviceError> {
    let mut warnings = Vec::new();
    if let Err(why) = load_cuda() {
        warnings.push(format!("no GPU is used: {why}; computing on the CPU"));
        if num_gpus > 1 {
            warnings.push(format!("train.num_gpus={num_gpus}: its batches are computed one after the other"));
        }
        return Ok(Selection { device: Device::Cpu, warnings });
    }
    let visible = Cuda::device_count();
    if num_gpus > visible {
        return Err(DeviceError::TooFew { asked: num_gpus, visible });
    }
    if gpu_id >= visible {
        return Err(DeviceError::NoSuch { id: gpu_id, visible });
    }
    if num_gpus > 1 {
        warnings.push(format!(
            "train.num_gpus={num_gpus}: this trainer uses one GPU and computes the batches one after the other"
        ));
    }
    Ok(Selection { device: Device::Cuda(gpu_id as usize), warnings })
}

/// What `automl-torch devices` prints.
pub(crate) fn report() -> serde_json::Value {
    let loaded = load_cuda();
    serde_json::json!({
        "libtorch": env!("AUTOML_LIBTORCH_VERSION"),
        "cuda": loaded.is_ok(),
        "device_count": if loaded.is_ok() { Cuda::device_count() } else { 0 },
        "reason": loaded.err(),
    })
}

/// Registers libtorch's CUDA part; the error says in words why there is none.
fn load_cuda() -> Result<(), String> {
    if std::env::var("CUDA_VISIBLE_DEVICES").is_ok_and(|devices| devices.is_empty() || devices == "-1") {
        return Err("CUDA_VISIBLE_DEVICES hides every device".to_owned());
    }
    if !Path::new("/dev/nvidiactl").exists() && !Path::new("/dev/dxg").exists() {
        return Err("no NVIDIA driver on this machine".to_owned());
    }
    open_cuda_library()?;
    if Cuda::is_available() {
        Ok(())
    } else {
        Err("libtorch_cuda.so is loaded and reports no usable device".to_owned())
    }
}

#[expect(unsafe_code, reason = "loading a library runs its initialisers; this one is part of libtorch")]
fn open_cuda_library() -> Result<(), String> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: the file is libtorch's own; its initialisers register CUDA with the part already linked.
    let library = unsafe { Library::open(Some("libtorch_cuda.so"), RTLD_NOW | RTLD_GLOBAL) };
    let library = library.map_err(|error| {
        format!("{error}; add the lib folder of a CUDA build of libtorch to LD_LIBRARY_PATH")
    })?;
    // Unloading would leave libtorch with hooks that point nowhere.
    std::mem::forget(library);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_names_libtorch_and_devices() {
        let report = report();
        assert!(report["libtorch"].as_str().unwrap().starts_with("2."));
        assert_eq!(report["cuda"].as_bool().unwrap(), report["device_count"].as_i64().unwrap() > 0);
    }
}
