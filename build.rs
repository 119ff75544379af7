//! Names the shared library as programs look for it, and lays the names they were linked with beside it.

use std::env;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

/// Programs built for nanomsg 1.2 ask for `.so.6`, those built for 1.1 for `.so.5`.
const LINKS: [&str; 2] = ["libnanomsg.so.6", "libnanomsg.so.5"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // The tests compile C programs for the target that they are built for.
    for variable in ["TARGET", "HOST"] {
        println!("cargo:rustc-env={variable}={}", env::var(variable).expect("cargo sets it"));
    }
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libnanomsg.so.6");

    // OUT_DIR is <target>/<profile>/build/<package>/out; the library will be in <profile> and in its deps.
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let profile = out.ancestors().nth(3).expect("OUT_DIR lies three levels below the profile");
    for directory in [profile.to_path_buf(), profile.join("deps")] {
        for link in LINKS {
            match symlink("libnanomsg.so", directory.join(link)) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    panic!("cannot make {link} in {}: {error}", directory.display());
                }
                _ => {}
            }
        }
    }
}
