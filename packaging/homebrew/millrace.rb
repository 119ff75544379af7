# Untried: a start for whoever packages Millrace for Homebrew. It was never built there; macOS cannot be supported, Homebrew on Linux may.
class Millrace < Formula
  desc "Nanomsg's C library on a Rust engine"
  homepage "https://millrace.example"
  url "https://millrace.example/millrace-0.1.0.tar.gz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license "MIT"

  depends_on "rust" => :build
  depends_on :linux

  conflicts_with "nanomsg", because: "both install nanocat and libnanomsg"

  def install
    system "make"
    system "make", "install", "PREFIX=#{prefix}", "ZSHDIR=#{zsh_completion}",
           "DATADIR=#{share}"
  end

  test do
    port = free_port.to_s
    pull = fork { exec bin/"nanocat", "--pull", "-L", port, "-A", "--count", "1", out: "received" }
    system bin/"nanocat", "--push", "-l", port, "-D", "hello"
    Process.wait pull
    assert_equal "hello\n", File.read("received")
  end
end
