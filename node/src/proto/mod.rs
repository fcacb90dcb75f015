//! The distribution protocol without I/O: bytes and a `now` in, events and bytes out.
//!
//! Nothing here opens a socket, waits, or reads a clock, and a test keeps it so. The files in the order in which a
//! connection meets them:
//!
//! | file | what |
//! | --- | --- |
//! | `epmd` | requests and answers of the name server |
//! | `flags` | capability flags: which a peer must have, which we offer and where the code behind each is |
//! | `handshake` | both ends of it |
//! | `frame` | the read buffer: bytes in, frames out |
//! | `dist_header`, `atom_cache` | what stands in front of a message, and the atoms it refers to |
//! | `fragment` | large messages in parts |
//! | `spare` | their buffers used again |
//! | `control` | the table of operations |
//! | `receive` | frames in, control messages and payloads out |
//! | `send`, `rewrite` | the same the other way, atoms replaced by references |
//! | `tick` | when to send a tick, and when a peer is gone |

pub mod atom_cache;
pub mod control;
pub mod dist_header;
pub mod epmd;
pub mod flags;
pub mod fragment;
pub mod frame;
pub mod handshake;
pub mod receive;
mod rewrite;
pub mod send;
mod spare;
pub mod tick;

#[cfg(test)]
pub(crate) mod recordings;

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_here_does_io_or_reads_a_clock() {
        let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/proto")];
        let mut files = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                files += 1;
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap_or("");
                let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
                for line in lines {
                    for word in
                        ["tokio", "Instant::now", "SystemTime", "std::net", "std::fs", "getrandom"]
                    {
                        assert!(!line.contains(word), "{}: {line}", path.display());
                    }
                }
            }
        }
        assert!(files >= 15);
    }
}
