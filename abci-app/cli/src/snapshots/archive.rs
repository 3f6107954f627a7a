//! A snapshot as a file, in the form of the Cosmos SDK: a `.tar.gz` with the description, then the chunks.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context as _, bail};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use geodesic_store::sync::{CHUNK_MAX, FORMAT, Folder, Meta};
use tar::{Archive, Builder, Entry, Header};

use super::chunks_bar;

/// The description's name.
const DESCRIPTION: &str = "_snapshot";
/// Longest description.
const DESCRIPTION_MAX: usize = 4_001_024;

/// Writes an archive: a crash leaves none, or a whole one.
pub(super) fn dump(folder: &Folder, meta: &Meta, path: &Path) -> anyhow::Result<()> {
    if path.exists() {
        bail!("it exists already; --output-document names another file");
    }
    let parent = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = tempfile::NamedTempFile::new_in(parent)?;
    let mut tar = Builder::new(GzEncoder::new(temporary, Compression::fast()));
    add(&mut tar, DESCRIPTION, &meta.encode())?;
    let bar = chunks_bar("writing", meta)?;
    for index in 0..meta.chunks() {
        let chunk = folder.chunk(meta, index)?.with_context(|| format!("chunk {index} is missing"))?;
        add(&mut tar, &index.to_string(), &chunk)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let temporary = tar.into_inner()?.finish()?;
    temporary.as_file().sync_all()?;
    temporary.persist_noclobber(path)?;
    Ok(())
}

fn add(tar: &mut Builder<impl Write>, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let mut header = Header::new_ustar();
    header.set_mode(0o644);
    header.set_size(bytes.len() as u64);
    Ok(tar.append_data(&mut header, name, bytes)?)
}

/// Takes the snapshot of an archive into the folder. What the archive says of itself is bounded and checked; whether the state is the
/// chain's shows when it is restored.
pub(super) fn load(folder: &Folder, path: &Path) -> anyhow::Result<Meta> {
    let mut archive = Archive::new(GzDecoder::new(File::open(path)?));
    let mut entries = archive.entries()?;
    let mut next = |name: &str, max| {
        let entry = entries.next().with_context(|| format!("it ends before {name}"))?;
        read(&mut entry?, name, max)
    };
    let meta = Meta::decode(&next(DESCRIPTION, DESCRIPTION_MAX)?)?;
    if meta.format != FORMAT {
        bail!("it has format {}, this program knows {FORMAT}", meta.format);
    }
    let mut draft = folder.draft(meta.height, meta.format)?;
    let bar = chunks_bar("reading", &meta)?;
    for index in 0..meta.chunks() {
        let chunk = next(&index.to_string(), CHUNK_MAX)?;
        if !meta.is_chunk(index, &chunk) {
            bail!("chunk {index} is damaged");
        }
        draft.chunk(&chunk)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    if draft.meta() != meta {
        bail!("the hash of the snapshot is not that of its chunks");
    }
    if entries.next().is_some() {
        bail!("something follows the last chunk");
    }
    Ok(draft.finish()?)
}

fn read(entry: &mut Entry<'_, impl Read>, name: &str, max: usize) -> anyhow::Result<Vec<u8>> {
    let found = entry.path()?.to_string_lossy().into_owned();
    if found != name || !entry.header().entry_type().is_file() {
        bail!("it has {found:?} where {name} should be");
    }
    let mut bytes = Vec::new();
    entry.take(max as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > max {
        bail!("{name} has more than {max} bytes");
    }
    Ok(bytes)
}
