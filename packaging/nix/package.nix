# Untried: a start for whoever packages Millrace for Nix. It was never built there.
#
#     nix-build -E 'with import <nixpkgs> { }; callPackage ./packaging/nix/package.nix { }'
{ lib, stdenv, rustPlatform, cargo, rustc }:

stdenv.mkDerivation {
  pname = "millrace";
  version = "0.1.0";
  src = lib.cleanSource ../..;

  cargoDeps = rustPlatform.importCargoLock { lockFile = ../../Cargo.lock; };
  nativeBuildInputs = [ cargo rustc rustPlatform.cargoSetupHook ];

  postPatch = "patchShebangs packaging tools";
  makeFlags = [ "PREFIX=${placeholder "out"}" ];

  meta = {
    description = "nanomsg's C library on a Rust engine";
    license = lib.licenses.mit;
    platforms = lib.platforms.linux;
    mainProgram = "nanocat";
  };
}
