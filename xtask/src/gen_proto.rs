//! Makes the Rust code of `.proto` files, which is kept beside them, so that building needs neither this nor `protoc`.
//!
//! The compiler of `.proto` files is behind the feature `gen-proto`: without it the command runs itself again with it.

/// Whether to write.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write nothing; fail if the code that is kept is not what would be made
    #[arg(long)]
    check: bool,
}

/// Makes the code, or compares it.
#[cfg(not(feature = "gen-proto"))]
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let mut again = crate::shell::cargo(&["run", "--quiet", "--package", "xtask", "--features", "gen-proto", "--"]);
    again.arg("gen-proto");
    if args.check {
        again.arg("--check");
    }
    crate::shell::run(&mut again)
}

/// Makes the code, or compares it.
#[cfg(feature = "gen-proto")]
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    made::all(args.check)
}

#[cfg(feature = "gen-proto")]
mod made {
    use std::path::Path;

    use anyhow::{Context, bail};

    use crate::shell;

    /// Folders of `.proto` files, the file, and the folder of what is made of it.
    const MADE: &[(&str, &str, &str)] = &[("examples/shop", "shop.proto", "examples/shop/src/generated")];

    /// What stands above every file that is made. The file is not read for its style.
    const HEAD: &str = "//! Made of `{}` by `cargo xtask gen-proto`; changes belong there.\n\n";

    pub(super) fn all(check: bool) -> anyhow::Result<()> {
        for (from, file, to) in MADE {
            let fresh = tempfile::tempdir()?;
            make(&shell::root().join(from), file, fresh.path())?;
            for entry in std::fs::read_dir(fresh.path())? {
                let made = entry?.path();
                let name = made.file_name().and_then(|name| name.to_str()).context("a name without letters")?;
                // `shop.v1.rs` cannot be named as a module.
                let kept = shell::root().join(to).join(name.trim_end_matches(".rs").replace('.', "_") + ".rs");
                let text = std::fs::read_to_string(&made)?;
                if check && std::fs::read_to_string(&kept).ok().as_deref() != Some(&text) {
                    bail!("{} is not what {file} says: cargo xtask gen-proto", kept.display());
                }
                if !check {
                    std::fs::write(&kept, text)?;
                    println!("{} -> {}", file, kept.display());
                }
            }
        }
        Ok(())
    }

    /// Makes the code of one file, formatted as the rest of the project is.
    fn make(folder: &Path, file: &str, to: &Path) -> anyhow::Result<()> {
        let files = protox::compile([file], [folder]).with_context(|| format!("{file} cannot be read"))?;
        tonic_prost_build::configure().out_dir(to).compile_fds(files)?;
        for entry in std::fs::read_dir(to)? {
            let path = entry?.path();
            let text = HEAD.replace("{}", file) + &std::fs::read_to_string(&path)?;
            std::fs::write(&path, text)?;
            let mut format = shell::command("rustfmt");
            shell::run(format.args(["--edition", "2024", "--config-path", "rustfmt.toml"]).arg(&path))?;
        }
        Ok(())
    }
}
