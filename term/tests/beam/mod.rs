//! Live nodes as oracles: `erl` as a child that answers over a local socket.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

const ORACLE: &str = include_str!("oracle.erl");

/// Loads the module that is sent first, then serves.
const BOOT: &str = r#"
{ok, S} = gen_tcp:connect({127,0,0,1}, PORT, [binary, {packet, 4}, {active, false}]),
{ok, Source} = gen_tcp:recv(S, 0),
{ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(Source)),
Split = fun Split([], [], Forms) -> lists:reverse(Forms);
            Split([{dot, _} = D | T], Form, Forms) -> {ok, F} = erl_parse:parse_form(lists:reverse([D | Form])), Split(T, [], [F | Forms]);
            Split([H | T], Form, Forms) -> Split(T, [H | Form], Forms) end,
{ok, oracle, Code} = compile:forms(Split(Tokens, [], [])),
{module, oracle} = code:load_binary(oracle, "oracle.erl", Code),
oracle:serve(S).
"#;

/// A running node of one OTP release.
pub(crate) struct Beam {
    pub(crate) release: u32,
    child: Child,
    socket: TcpStream,
}

impl Beam {
    /// OTP 25, which must be there, and 27 and 29 where they are; says so loudly where not.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = vec![
            Self::start(None)
                .expect("OTP 25 or later as `erl` on the path: apt-get install erlang-base"),
        ];
        for (variable, default) in
            [("CNODE_OTP27", "/var/cache/cnode/otp27"), ("CNODE_OTP29", "/var/cache/cnode/otp29")]
        {
            let root =
                PathBuf::from(std::env::var(variable).unwrap_or_else(|_| default.to_owned()));
            if root.join("usr").is_dir() || root.join("bin").is_dir() {
                all.push(
                    Self::start(Some(root)).expect("erl in the root of CNODE_OTP27 or CNODE_OTP29"),
                );
            } else {
                eprintln!(
                    "\n*** SKIPPED: no OTP at {} ({variable}): its part of this test did NOT run ***\n",
                    root.display()
                );
            }
        }
        all
    }

    /// The `erl` on the path, or the one in a root.
    fn start(root: Option<PathBuf>) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let boot = BOOT.replace("PORT", &listener.local_addr()?.port().to_string());
        let mut command = match &root {
            Some(root) => {
                let mut command = Command::new("chroot");
                command.arg(root).arg("erl");
                command
            }
            None => Command::new("erl"),
        };
        let mut child = command
            .args(["-noshell", "-noinput", "+S", "1:1", "-pa", ".", "-eval", &boot])
            .current_dir("/")
            .env("LC_ALL", "C.UTF-8")
            .env("ERL_CRASH_DUMP_BYTES", "0")
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {command:?}"))?;
        listener.set_nonblocking(true)?;
        let deadline = Instant::now() + Duration::from_secs(60);
        let socket = loop {
            match listener.accept() {
                Ok((socket, _)) => break socket,
                Err(_) if Instant::now() < deadline && child.try_wait()?.is_none() => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(error) => {
                    let _ = child.kill();
                    bail!("{command:?} did not connect: {error}");
                }
            }
        };
        socket.set_nonblocking(false)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(120)))?;
        let mut beam = Self { release: 0, child, socket };
        beam.send(ORACLE.as_bytes())?;
        let release = beam.eval("list_to_integer(erlang:system_info(otp_release))")?;
        let Some(&[131, 97, release]) = release.first_chunk::<3>() else {
            bail!("an odd release {release:?}")
        };
        beam.release = u32::from(release);
        Ok(beam)
    }

    fn send(&mut self, request: &[u8]) -> Result<()> {
        self.socket.write_all(&u32::try_from(request.len())?.to_be_bytes())?;
        Ok(self.socket.write_all(request)?)
    }

    fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>> {
        self.send(request)?;
        let mut length = [0; 4];
        self.socket.read_exact(&mut length).context("the node died over a request")?;
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        self.socket.read_exact(&mut answer)?;
        Ok(answer)
    }

    /// `term_to_binary` of an expression's value.
    pub(crate) fn eval(&mut self, expression: &str) -> Result<Vec<u8>> {
        self.ask(&[b"eval", expression.as_bytes()].concat())
    }

    /// Random terms as `term_to_binary` writes them.
    pub(crate) fn random(&mut self, seed: u32, count: u32) -> Vec<Vec<u8>> {
        let request = [&b"rand"[..], &seed.to_be_bytes(), &count.to_be_bytes()].concat();
        unpack(&self.ask(&request).expect("random terms"))
    }

    /// What `binary_to_term` makes of each, written again by `term_to_binary`; `None` where it refuses.
    pub(crate) fn read(&mut self, inputs: &[Vec<u8>]) -> Vec<Option<Vec<u8>>> {
        let request = [b"read".to_vec(), pack(inputs)].concat();
        let answer =
            self.ask(&request).unwrap_or_else(|error| panic!("OTP {}: {error:#}", self.release));
        unpack(&answer)
            .into_iter()
            .map(|one| (one.first() == Some(&1)).then(|| one[1..].to_vec()))
            .collect()
    }

    /// `term_to_binary(Term, [{compressed, Level}])` of each, which must be terms.
    pub(crate) fn compress(&mut self, level: u8, inputs: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let request = [b"pack".to_vec(), vec![level], pack(inputs)].concat();
        unpack(&self.ask(&request).expect("compressed terms"))
    }

    /// What `~0p` prints for each, which must be terms.
    pub(crate) fn show(&mut self, inputs: &[Vec<u8>]) -> Vec<String> {
        let answer = self.ask(&[b"show".to_vec(), pack(inputs)].concat()).expect("printing terms");
        unpack(&answer).into_iter().map(|text| String::from_utf8(text).expect("UTF-8")).collect()
    }

    /// `=:=`, `==`, `<`, and the order of map keys (0, 1, 2 for less, equal, greater) of each pair.
    pub(crate) fn compare(&mut self, pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<[u8; 4]> {
        let flat: Vec<_> = pairs.iter().flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
        let answer = self.ask(&[b"comp".to_vec(), pack(&flat)].concat()).expect("comparing terms");
        answer.as_chunks::<4>().0.to_vec()
    }
}

impl Drop for Beam {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pack(binaries: &[Vec<u8>]) -> Vec<u8> {
    binaries.iter().flat_map(|one| [&(one.len() as u32).to_be_bytes()[..], one].concat()).collect()
}

fn unpack(mut packed: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Some((length, rest)) = packed.split_first_chunk::<4>() {
        let (one, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        all.push(one.to_vec());
        packed = rest;
    }
    all
}

/// A small deterministic source of numbers (xorshift64*), so that a failure can be run again.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.roll() % limit.max(1) as u64) as usize
    }
}

/// A slightly changed copy: bytes overwritten, cut, doubled, tags exchanged.
pub(crate) fn mutate(original: &[u8], dice: &mut Dice) -> Vec<u8> {
    const TAGS: &[u8] = &[
        67, 70, 77, 80, 82, 88, 89, 90, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108,
        109, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119, 120, 121, 131,
    ];
    let mut bytes = original.to_vec();
    for _ in 0..1 + dice.below(3) {
        if bytes.len() < 2 {
            break;
        }
        let at = 1 + dice.below(bytes.len() - 1);
        match dice.below(7) {
            0 => bytes[at] = dice.roll() as u8,
            1 => bytes[at] ^= 1 << dice.below(8),
            2 => bytes[at] = TAGS[dice.below(TAGS.len())],
            3 => bytes.truncate(at),
            4 => bytes.insert(at, TAGS[dice.below(TAGS.len())]),
            5 => {
                bytes.remove(at);
            }
            _ => bytes[at] = [0, 1, 255, 127, 128][dice.below(5)],
        }
    }
    bytes
}
