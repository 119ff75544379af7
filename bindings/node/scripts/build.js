'use strict';
// Builds the native part with cargo, and puts it beside lib. With --if-missing, only if what is there cannot be loaded, or is of a
// checkout: so that what npm packed needs no toolchain where it is installed.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
const target = path.join(root, 'millrace.node');

function loads() {
  if (!fs.existsSync(target)) return false;
  return spawnSync(process.execPath, ['-e', `require(${JSON.stringify(target)})`]).status === 0;
}

function fail(text) {
  console.error(`millrace-nanomsg: ${text}`);
  process.exit(1);
}

function build() {
  if (process.platform !== 'linux') fail(`this is for Linux, not for ${process.platform}`);
  const manifest = path.join(root, 'Cargo.toml');
  if (!fs.existsSync(manifest)) {
    fail(`the native part in this package does not load on this machine (${process.arch}); build the package in a checkout of Millrace: npm pack`);
  }
  const metadata = spawnSync('cargo', ['metadata', '--no-deps', '--format-version=1', '--manifest-path', manifest], { encoding: 'utf8' });
  if (metadata.error) fail('cargo is needed to build it: install Rust from https://rustup.rs');
  if (metadata.status !== 0) fail(metadata.stderr);
  const built = spawnSync('cargo', ['build', '--release', '--manifest-path', manifest], { stdio: 'inherit' });
  if (built.status !== 0) fail('cargo build failed; see above');
  const library = path.join(JSON.parse(metadata.stdout).target_directory, 'release', 'libmillrace_node.so');
  // Not written over: a process may have the old one loaded.
  fs.copyFileSync(library, `${target}.new`);
  fs.renameSync(`${target}.new`, target);
}

// In a checkout what is there may be of before the last change; cargo knows, and is quick if there was none. Without cargo it must do.
const mayBeOld = () => fs.existsSync(path.join(root, 'Cargo.toml')) && spawnSync('cargo', ['--version']).status === 0;

if (!process.argv.includes('--if-missing') || !loads() || mayBeOld()) build();
