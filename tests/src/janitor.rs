//! Ends what is left when the test process is killed before its own clean-up: a shell that holds a pipe from us.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Reads `+ group` and `- group`; when the pipe closes, which also happens when we are killed, kills what is still listed.
const SCRIPT: &str = r#"
live=
while read -r op group; do
    case $op in
        +) live="$live $group" ;;
        -) rest=; for one in $live; do [ "$one" = "$group" ] || rest="$rest $one"; done; live=$rest ;;
    esac
done
for one in $live; do kill -KILL -- "-$one" 2>/dev/null; done
"#;

fn tell(line: &str) {
    static JANITOR: OnceLock<Option<Mutex<Child>>> = OnceLock::new();
    let janitor = JANITOR.get_or_init(|| {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT]).stdin(Stdio::piped()).process_group(0);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().ok().map(Mutex::new)
    });
    // Without a janitor tests still clean up after themselves; only a killed run would leave something.
    if let Some(child) = janitor {
        let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stdin) = child.stdin.as_mut() {
            let _ = stdin.write_all(line.as_bytes());
        }
    }
}

pub(crate) fn watch(group: u32) {
    tell(&format!("+ {group}\n"));
}

pub(crate) fn forget(group: u32) {
    tell(&format!("- {group}\n"));
}
