//! The Erlang suites compiled by a release's own compiler, once for each content, kept under the target directory.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};

use crate::otp::Otp;

/// Where the build put us: `target/<profile>`, found from the running test (`target/<profile>/deps/name-hash`).
pub(crate) fn profile_directory() -> Result<PathBuf> {
    let exe = std::env::current_exe()?;
    let deps = exe.parent().context("the test has no directory")?;
    let profile =
        if deps.ends_with("deps") { deps.parent().context("deps has no parent")? } else { deps };
    Ok(profile.to_owned())
}

fn sources() -> Result<Vec<PathBuf>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("erl");
    let mut found: Vec<PathBuf> = Vec::new();
    for entry in
        fs::read_dir(&directory).with_context(|| format!("cannot list {}", directory.display()))?
    {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "erl" || extension == "hrl") {
            found.push(path);
        }
    }
    // The BEAM's side of the carrier over Unix sockets.
    found.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("../node/erlang/local_dist.erl"));
    found.sort();
    Ok(found)
}

/// Puts the compiled suites into `target`, a directory the release can see.
pub(crate) fn suites_into(otp: &Otp, target: &Path) -> Result<()> {
    let mut hasher = DefaultHasher::new();
    let sources = sources()?;
    for source in &sources {
        source.hash(&mut hasher);
        fs::read(source)?.hash(&mut hasher);
    }
    let kept = profile_directory()?.join("suites");
    fs::create_dir_all(&kept)?;
    let cache = kept.join(format!("{}-{:016x}", otp.release(), hasher.finish()));
    // Tests run at once, in several processes: one compiles, the others wait.
    let lock = fs::File::create(kept.join(format!("{}.lock", otp.release())))?;
    lock.lock()?;
    if !cache.exists() {
        forget_older(&kept, &format!("{}-", otp.release()))?;
        compile(otp, &sources, &cache)?;
    }
    copy_all(&cache, target)
}

fn forget_older(kept: &Path, prefix: &str) -> Result<()> {
    for entry in fs::read_dir(kept)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn compile(otp: &Otp, sources: &[PathBuf], cache: &Path) -> Result<()> {
    let directory = otp.directory()?;
    let mut command = otp.command("erlc");
    let inside = otp.inside(directory.path())?;
    command.arg("-o").arg(&inside).arg("-I").arg(&inside);
    for source in sources {
        let name = source.file_name().context("a source without a name")?;
        fs::copy(source, directory.path().join(name))?;
        if source.extension().is_some_and(|extension| extension == "erl") {
            command.arg(inside.join(name));
        }
    }
    let output = command.stdin(Stdio::null()).output().context("cannot run erlc")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        bail!("OTP {} does not compile tests/erl:\n{said}", otp.release());
    }
    let partial = cache.with_extension(format!("part{}", std::process::id()));
    fs::create_dir_all(&partial)?;
    copy_all(directory.path(), &partial)?;
    fs::rename(&partial, cache).with_context(|| format!("cannot keep {}", cache.display()))
}

fn copy_all(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "beam") {
            fs::copy(&path, to.join(path.file_name().context("a file without a name")?))?;
        }
    }
    Ok(())
}
