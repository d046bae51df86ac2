//! Writes libtorch's folder into the binary's run path, so that no environment variable is needed.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let mut version = None;
    // `torch-sys` (links = "tch") hands over the folder it linked against.
    if let Some(dir) = std::env::var_os("DEP_TCH_LIBTORCH_LIB") {
        // The installed layout first, then the folder used at build time.
        println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/../lib/automl");
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", Path::new(&dir).display());
        version = std::fs::read_to_string(Path::new(&dir).with_file_name("build-version")).ok();
    }
    // The C++ API that the pinned bindings speak, where the folder does not say.
    let version = version.as_deref().map_or("2.11", str::trim);
    println!("cargo:rustc-env=AUTOML_LIBTORCH_VERSION={version}");
}
