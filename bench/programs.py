"""The benchmark programs: which there are, how they are built, and one run of one."""

import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
BUILD = ROOT / "build" / "bench"
UNSUPPORTED = 77
TIME_LIMIT = 60
SHARED = ("harness.c", "bench.c", "tails.c")

# Implementation: source file, library, header that proves the development package, that package.
IMPLEMENTATIONS = {
    "raw": ("raw.c", None, None, None),
    "rawspin": ("raw.c", None, None, None),
    "genuine": ("nn.c", "nanomsg", "/usr/include/nanomsg/nn.h", "libnanomsg-dev"),
    "nng": ("nng.c", "nng", "/usr/include/nng/nng.h", "libnng-dev"),
    "zmq": ("zmq.c", "zmq", "/usr/include/zmq.h", "libzmq3-dev"),
    "ours": ("nn.c", "nanomsg", None, None),
}


# ---- Building ------------------------------------------------------------------------------------------------------


def run_or_exit(command, **more):
    print("+", shlex.join(map(str, command)), file=sys.stderr)
    if subprocess.run(command, **more).returncode:
        sys.exit(f"failed: {shlex.join(map(str, command))}")


def install_peers(impls):
    missing = [pkg for i in impls for (_, _, header, pkg) in [IMPLEMENTATIONS[i]] if header and not os.path.exists(header)]
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(f"missing: {' '.join(missing)}. Install them, or leave their implementations out with --impl.")
    run_or_exit(["apt-get", "update", "-q"])
    run_or_exit(["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing])


def our_library(lib=None):
    """Where ours is: in a directory that is named, or built."""
    if lib:
        directory = lib.resolve()
    else:
        run_or_exit(["cargo", "build", "--release"], cwd=ROOT)
        directory = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "release"
    if not (directory / "libnanomsg.so").exists():
        sys.exit(f"no libnanomsg.so in {directory}")
    return directory


def build(impl, lib_dir):
    """Compiles one program and returns its path."""
    source, library, _, _ = IMPLEMENTATIONS[impl]
    program = BUILD / impl
    command = ["cc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread"]
    if impl == "ours":
        # Ours against our headers; without them any nanomsg's do.
        if (ROOT / "include" / "nanomsg" / "nn.h").exists():
            command += ["-I", ROOT / "include"]
        command += ["-L", lib_dir]
    command += [*(HERE / name for name in SHARED), HERE / source, "-o", program]
    if library:
        command.append(f"-l{library}")
    run_or_exit(command)
    return program


def build_pump():
    """rustls by itself, which is "raw" for rows over TLS."""
    run_or_exit(["cargo", "build", "--release", "--example", "tls_pump"], cwd=ROOT)
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "examples" / "tls_pump"


def is_secure(command):
    return "transport=tls" in command


# ---- Measuring -----------------------------------------------------------------------------------------------------


def environment(impl, lib_dir, tmp):
    env = {k: v for k, v in os.environ.items() if k not in ("LD_LIBRARY_PATH", "BENCH_SPIN")}
    env["TMPDIR"] = tmp
    env.update({f"BENCH_{name}": f"{tmp}/{name}" for name in ("CERT", "KEY", "CERT_AND_KEY")})
    if impl == "ours":
        env["LD_LIBRARY_PATH"] = str(lib_dir)
    if impl == "rawspin":
        env["BENCH_SPIN"] = "1"
    return env


def make_certificate(directory):
    run_or_exit(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                 "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
                 "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", directory / "KEY", "-out", directory / "CERT"],
                stderr=subprocess.DEVNULL)
    (directory / "CERT_AND_KEY").write_text((directory / "CERT").read_text() + (directory / "KEY").read_text())


def check_origin(impl, origin, lib_dir):
    """A number of one library must never be taken for one of another."""
    is_ours = lib_dir is not None and pathlib.Path(origin).resolve().is_relative_to(lib_dir)
    if (impl == "ours") != is_ours:
        sys.exit(f"{impl} ran on {origin}")


class Programs:
    """All programs, built, and what they need in a directory that is gone afterwards."""

    def __init__(self, impls, lib=None, pump=False):
        BUILD.mkdir(parents=True, exist_ok=True)
        install_peers(impls)
        self.lib_dir = our_library(lib) if "ours" in impls else None
        self.by_name = {impl: build(impl, self.lib_dir) for impl in impls}
        if pump:
            self.by_name["pump"] = build_pump()

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="bench-")
        make_certificate(pathlib.Path(self.directory.name))
        return self

    def __exit__(self, *_):
        self.directory.cleanup()

    def measure(self, impl, command):
        """One run: its numbers by name, {} where there is nothing to measure, None when it failed."""
        program = self.by_name["pump" if impl == "raw" and is_secure(command) else impl]
        env = environment(impl, self.lib_dir, self.directory.name)
        pipe = subprocess.PIPE
        process = subprocess.Popen([program, *command.split()], env=env, text=True, stdout=pipe, stderr=pipe)
        try:
            out, err = process.communicate(timeout=TIME_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()  # its peers die with it
            process.communicate()
            print(f"  {impl} {command}: no end within {TIME_LIMIT} s", file=sys.stderr)
            return None
        if process.returncode == UNSUPPORTED:
            return {}
        if process.returncode:
            print(f"  {impl} {command}: status {process.returncode}: {err.strip()}", file=sys.stderr)
            return None
        values = dict(pair.split("=", 1) for pair in out.split())
        check_origin(impl, values.pop("lib"), self.lib_dir)
        values.pop("scenario")
        return {k: float(v) for k, v in values.items()}
