//! What packagers of other systems go by: cargo's own ways, and the recipes of `packaging`. Their systems are not here; what can be checked
//! without them is.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Duration;

use support::installed::{Installed, built, files_below};
use support::shell::Workshop;
use support::{ScratchDir, build_dir, cargo, repo_root, require_tool, run};

const LIMIT: Duration = Duration::from_secs(900);

/// The tools alone, and nothing else; two of them talk. Built without optimising, which this is not about and which would take three times
/// as long; and in a directory of its own, because it would replace the library that other tests are just using.
#[test]
fn cargo_installs_the_tools() {
    let root = ScratchDir::new();
    let mut install = cargo();
    install.args(["install", "--path", ".", "--locked", "--offline", "--debug", "--no-track", "--target-dir"]);
    install.arg(build_dir("cargo-install")).arg("--root").arg(root.path(""));
    install.env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_INCREMENTAL", "0");
    run(&mut install, LIMIT).expect_success("cargo install");
    assert_eq!(files_below(root.as_ref()), ["bin/nanobench", "bin/nanocat", "bin/nanoqi"]);

    let bin = root.path("bin").display().to_string();
    let address = "tcp://127.0.0.1:5555";
    let talk =
        format!("nanocat --pull --bind {address} -A --count 1 & nanocat --push --connect {address} -D hello; wait");
    let workshop = Workshop::new();
    let outcome =
        workshop.run(&format!("PATH={bin}:$PATH; {talk}; command -v nanocat; nanobench --help; nanoqi --help"));
    assert!(outcome.stdout.starts_with(&format!("hello\n{bin}/nanocat\n")), "{outcome:?}");
}

/// crates.io would take the crate: all that it needs is in the archive, which is compiled where nothing else of the tree is.
#[test]
fn the_crate_can_be_published() {
    let mut publish = cargo();
    // The registry is asked, but nothing is sent. What is being worked on may be dirty.
    publish.args(["publish", "--dry-run", "--locked", "--allow-dirty", "--target-dir"]).arg(build_dir("cargo-install"));
    publish.env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_INCREMENTAL", "0");
    let outcome = run(&mut publish, LIMIT);
    outcome.expect_success("cargo publish --dry-run");
    assert!(outcome.stderr.contains("aborting upload due to dry run"), "{outcome:?}");
}

/// The lines with which docs/rust.md has programs take the crate.
#[test]
fn a_program_finds_the_crate_by_what_the_guide_says() {
    let guide = fs::read_to_string(repo_root().join("docs/rust.md")).expect("docs/rust.md");
    let lines: BTreeSet<&str> = guide.split(['`', '\n']).filter(|text| text.starts_with("millrace = {")).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let here = repo_root().display().to_string();
    for line in lines {
        let program = ScratchDir::new();
        fs::create_dir(program.path("src")).expect("a directory");
        fs::write(program.path("src/main.rs"), "fn main() {}").expect("a file");
        let manifest = format!("[package]\nname = \"program\"\nedition = \"2024\"\n[dependencies]\n{line}\n");
        fs::write(program.path("Cargo.toml"), manifest.replace("../millrace", &here)).expect("a file");
        let mut resolve = cargo();
        resolve.arg("generate-lockfile").current_dir(program.path(""));
        run(&mut resolve, LIMIT).expect_success(line);
    }
}

/// What `cargo cinstall` and other packagers go by says the same as `make install`.
#[test]
fn recipes_have_the_same_versions() {
    let read = |name: &str| fs::read_to_string(repo_root().join(name)).expect(name);
    let (cargo, install) = (read("Cargo.toml"), read("packaging/install.sh"));
    let after = |text: &str, what: &str| {
        let rest = text.split_once(what).unwrap_or_else(|| panic!("no {what}")).1;
        rest.split(['"', '\n']).next().expect("a value").to_owned()
    };
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(after(&read("packaging/alpine/APKBUILD"), "\npkgver="), version);
    assert_eq!(after(&read("packaging/nix/package.nix"), "\n  version = \""), version);
    assert_eq!(after(&read("packaging/homebrew/millrace.rb"), "/millrace-"), format!("{version}.tar.gz"));
    for recipe in ["alpine/APKBUILD", "nix/package.nix", "homebrew/millrace.rb"] {
        assert!(read(&format!("packaging/{recipe}")).starts_with("# Untried: "), "{recipe}");
    }
    let of_table =
        |table: &str| after(&after_all(&cargo, &format!("[package.metadata.capi.{table}]")), "\nversion = \"");
    assert_eq!(of_table("pkg_config"), after(&install, "\nversion="));
    assert!(install.contains(&format!("/libnanomsg.so.{}\"\n", of_table("library"))), "{}", of_table("library"));
}

fn after_all(text: &str, what: &str) -> String {
    text.split_once(what).unwrap_or_else(|| panic!("no {what}")).1.to_owned()
}

/// Every header that `make install` has is among those of `cargo cinstall`.
#[test]
fn cargo_cinstall_has_every_header() {
    let cargo = fs::read_to_string(repo_root().join("Cargo.toml")).expect("Cargo.toml");
    let places = cargo.lines().filter_map(|line| line.trim().strip_prefix("{ from = \"")?.split_once("\", to = \""));
    let places: BTreeSet<(String, String)> =
        places.map(|(from, to)| (from.to_owned(), to.trim_end_matches("\" },").to_owned())).collect();
    for include in ["include", "bindings/cpp/include"] {
        for header in files_below(&repo_root().join(include)) {
            let (place, name) = header.rsplit_once('/').expect("in a directory");
            let ending = name.rsplit('.').next().expect("an ending");
            let wanted = (format!("{include}/{place}/*.{ending}"), place.to_owned());
            assert!(places.contains(&wanted), "{wanted:?} is not in {places:?}");
        }
    }
}

/// What their own tools say of how they are written.
#[test]
fn recipes_can_be_read_by_their_tools() {
    require_tool("ruby", "ruby");
    require_tool("nix-instantiate", "nix-bin");
    let store = ScratchDir::new();
    for (tool, recipe) in [
        ("sh -n", "alpine/APKBUILD"),
        ("ruby -wc", "homebrew/millrace.rb"),
        ("nix-instantiate --parse", "nix/package.nix"),
    ] {
        let mut words = tool.split(' ');
        let mut command = Command::new(words.next().expect("a tool"));
        command.args(words).arg(repo_root().join("packaging").join(recipe)).env("NIX_STORE_DIR", store.path("store"));
        run(&mut command, LIMIT).expect_success(recipe);
    }
}

/// How abuild divides among the subpackages what `package` has laid out: those of its functions that the recipe names.
const OF_ALPINE: [(&str, &[&str]); 6] = [
    ("static", &["usr/lib/libnanomsg.a"]),
    ("dev", &["usr/include/nanomsg/nn.h", "usr/lib/libnanomsg.so", "usr/lib/pkgconfig/nanomsg.pc", "usr/lib/cmake/"]),
    ("doc", &["usr/share/man/man3/nn_send.3", "usr/share/man/man1/nanocat.1"]),
    ("bash-completion", &["usr/share/bash-completion/completions/nanocat"]),
    ("zsh-completion", &["usr/share/zsh/site-functions/_nanocat"]),
    ("fish-completion", &["usr/share/fish/vendor_completions.d/nanocat.fish"]),
];

/// The recipe's own function, with a `make` that knows where this test's build is.
#[test]
fn alpine_packages_what_is_installed() {
    let package = ScratchDir::new();
    let script = format!(
        "make() {{ command make CARGO=no-such-cargo OUT={} \"$@\"; }}; pkgdir={}; . packaging/alpine/APKBUILD; package > /dev/null; echo $subpackages",
        built().display(),
        package.path("").display(),
    );
    let mut shell = Command::new("sh");
    // `make test` exports its own directories.
    shell.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let outcome = run(shell.args(["-euc", &script]).current_dir(repo_root()), LIMIT);
    outcome.expect_success("package()");
    let named: Vec<&str> = outcome.stdout.split_whitespace().collect();
    assert_eq!(named, OF_ALPINE.map(|(name, _)| format!("millrace-{name}")));

    let found = files_below(package.as_ref());
    assert_eq!(found, files_below(Installed::make(&["PREFIX=/usr"]).root()), "as `make install` alone");
    for file in OF_ALPINE.into_iter().flat_map(|(_, files)| files) {
        assert!(found.iter().any(|path| path.starts_with(file)), "{file} is not among {found:#?}");
    }
}

/// What the formula would have run, told by a `Formula` that only says so; its directories are those of a keg.
#[test]
fn homebrew_installs_into_its_keg() {
    require_tool("ruby", "ruby");
    let keg = ScratchDir::new();
    let formula = r##"
        class Formula
          def self.method_missing(*) = nil
          def self.test = nil
          def prefix = ARGV[1]
          def share = "#{prefix}/share"
          def zsh_completion = "#{share}/zsh/site-functions"
          def system(*words) = puts(words.join("\t"))
        end
        load ARGV[0]
        Millrace.new.install
    "##;
    let mut ruby = Command::new("ruby");
    ruby.args(["-e", formula]).arg(repo_root().join("packaging/homebrew/millrace.rb")).arg(keg.path("keg"));
    let told = run(&mut ruby, LIMIT);
    told.expect_success("the formula");
    let commands: Vec<Vec<&str>> = told.stdout.lines().map(|line| line.split('\t').collect()).collect();
    let [build, install] = &commands[..] else { panic!("{commands:?}") };
    assert_eq!((&build[..], &install[..2]), (&["make"][..], &["make", "install"][..]));
    let mut make = support::installed::make("install", built());
    run(make.args(&install[2..]), LIMIT).expect_success("make install");
    let found = files_below(&keg.path("keg"));
    assert_eq!(found, files_below(&Installed::make(&["PREFIX=/opt/it"]).path("/opt/it")));
}
