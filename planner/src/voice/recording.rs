//! A recording, and what its bytes say of it. What somebody says that it is counts for nothing.

use bytes::Bytes;

/// Kinds of recordings that are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AudioKind {
    Wav,
    Mp3,
    Ogg,
    Webm,
}

impl AudioKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Wav, Self::Mp3, Self::Ogg, Self::Webm];

    /// `wav`, `mp3`, `ogg` or `webm`; a file's name ends so, too.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Mp3 => "mp3",
            Self::Ogg => "ogg",
            Self::Webm => "webm",
        }
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Wav => "audio/wav",
            Self::Mp3 => "audio/mpeg",
            Self::Ogg => "audio/ogg",
            Self::Webm => "audio/webm",
        }
    }

    /// Whether a media type that somebody declares may mean this kind.
    pub fn is_declared_by(self, media_type: &str) -> bool {
        let essence = media_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        let names: &[&str] = match self {
            Self::Wav => &["audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"],
            Self::Mp3 => &["audio/mpeg", "audio/mp3", "audio/x-mp3", "audio/x-mpeg"],
            Self::Ogg => &["audio/ogg", "application/ogg", "audio/opus", "video/ogg"],
            Self::Webm => &["audio/webm", "video/webm"],
        };
        names.contains(&essence.as_str())
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Some(Self::Wav),
            [b'O', b'g', b'g', b'S', ..] => Some(Self::Ogg),
            [b'I', b'D', b'3', ..] => Some(Self::Mp3),
            [0x1a, 0x45, 0xdf, 0xa3, ..] => is_webm(bytes).then_some(Self::Webm),
            [0xff, second, third, ..] => is_mp3_frame(*second, *third).then_some(Self::Mp3),
            _ => None,
        }
    }
}

/// The document type stands in the header of an EBML file; others than `webm` are other containers.
fn is_webm(bytes: &[u8]) -> bool {
    const DOC_TYPE: [u8; 2] = [0x42, 0x82];
    let head = &bytes[..bytes.len().min(128)];
    let at = head.windows(2).position(|w| w == DOC_TYPE);
    at.is_some_and(|at| head.get(at + 3..).is_some_and(|rest| rest.starts_with(b"webm")))
}

/// Sync bits, layer III, and no value that the format leaves reserved.
fn is_mp3_frame(second: u8, third: u8) -> bool {
    let (version, layer) = ((second >> 3) & 3, (second >> 1) & 3);
    let (bitrate, rate) = (third >> 4, (third >> 2) & 3);
    second & 0xe0 == 0xe0 && version != 1 && layer == 1 && bitrate != 0 && bitrate != 15 && rate != 3
}

/// A recording of a kind that is taken.
#[derive(Debug, Clone)]
pub struct Recording {
    bytes: Bytes,
    kind: AudioKind,
}

impl Recording {
    /// None: its bytes are of no kind that is taken.
    pub fn of(bytes: impl Into<Bytes>) -> Option<Self> {
        let bytes = bytes.into();
        AudioKind::of(&bytes).map(|kind| Self { bytes, kind })
    }

    pub fn kind(&self) -> AudioKind {
        self.kind
    }

    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How long it is, in milliseconds, where its bytes say so.
    pub fn millis(&self) -> Option<u64> {
        match self.kind {
            AudioKind::Wav => wav_millis(&self.bytes),
            AudioKind::Ogg => ogg_millis(&self.bytes),
            AudioKind::Mp3 | AudioKind::Webm => None,
        }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// Bytes of sound over bytes a second.
fn wav_millis(bytes: &[u8]) -> Option<u64> {
    let (mut at, mut rate) = (12_usize, None);
    while let Some(length) = u32_at(bytes, at + 4) {
        let (name, inside) = (&bytes[at..at + 4], at + 8);
        let length = usize::try_from(length).ok()?;
        match name {
            b"fmt " => rate = u32_at(bytes, inside + 8).filter(|rate| *rate > 0),
            b"data" => {
                // A recorder that was cut off has not written how much there is.
                let sound = length.min(bytes.len() - inside) as u64;
                return rate.map(|rate| sound.saturating_mul(1_000) / u64::from(rate));
            }
            _ => {}
        }
        at = inside.checked_add(length)?.checked_add(length % 2)?;
    }
    None
}

/// The position of the last page over the samples a second.
fn ogg_millis(bytes: &[u8]) -> Option<u64> {
    const HEADER: usize = 28;
    let first = bytes.get(HEADER..)?;
    let (rate, skipped) = if first.starts_with(b"OpusHead") {
        // Opus counts in 48 kHz whatever it was recorded in.
        (
            48_000,
            u64::from(u16::from_le_bytes(first.get(10..12)?.try_into().ok()?)),
        )
    } else if first.starts_with(b"\x01vorbis") {
        (u32_at(first, 12).filter(|rate| *rate > 0)?, 0)
    } else {
        return None;
    };
    let last = bytes.windows(4).rposition(|w| w == b"OggS")?;
    let position = u64::from_le_bytes(bytes.get(last + 6..last + 14)?.try_into().ok()?);
    let samples = (position != u64::MAX).then_some(position)?;
    Some(samples.saturating_sub(skipped).saturating_mul(1_000) / u64::from(rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(seconds: u32) -> Vec<u8> {
        let (rate, sound) = (8_000_u32, seconds * 8_000);
        let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        bytes.extend(rate.to_le_bytes());
        bytes.extend(rate.to_le_bytes());
        bytes.extend([1, 0, 8, 0]);
        bytes.extend(b"LIST\x03\0\0\0abc\0data");
        bytes.extend(sound.to_le_bytes());
        bytes.resize(bytes.len() + sound as usize, 128);
        bytes
    }

    fn ogg(head: &[u8], position: u64) -> Vec<u8> {
        let page = |position: u64| {
            let mut page = b"OggS\0\x02".to_vec();
            page.extend(position.to_le_bytes());
            page.resize(28, 1);
            page
        };
        [&page(0)[..], head, &page(position)[..]].concat()
    }

    #[test]
    fn what_a_recording_is_its_bytes_say() {
        let webm = b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm";
        let matroska = b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x88matroska";
        let cases: [(&[u8], Option<AudioKind>); 11] = [
            (&wav(1), Some(AudioKind::Wav)),
            (b"OggS\0", Some(AudioKind::Ogg)),
            (b"ID3\x04\0", Some(AudioKind::Mp3)),
            (b"\xff\xfb\x90\x00", Some(AudioKind::Mp3)),
            (webm, Some(AudioKind::Webm)),
            (matroska, None),
            (b"RIFF\0\0\0\0AVI LIST", None),
            (b"fLaC\0\0\0\x22", None),
            (b"\xff\xd8\xff\xe0", None),
            (b"\xff\xf1\x50\x80", None),
            (b"Configure OSPF", None),
        ];
        for (bytes, kind) in cases {
            let found = Recording::of(bytes.to_vec()).map(|r| r.kind());
            assert_eq!(found, kind, "{:?}", &bytes[..4]);
        }
        assert!(Recording::of(Vec::new()).is_none());
    }

    #[test]
    fn how_long_it_is_is_known_where_the_bytes_say_so() {
        let millis = |bytes: Vec<u8>| Recording::of(bytes).unwrap().millis();
        assert_eq!(millis(wav(3)), Some(3_000));
        let mut cut_off = wav(3);
        cut_off.truncate(cut_off.len() - 8_000);
        assert_eq!(millis(cut_off), Some(2_000));
        assert_eq!(millis(ogg(b"OpusHead\x01\x01\x38\x01", 96_312)), Some(2_000));
        assert_eq!(millis(ogg(b"\x01vorbis\0\0\0\0\x01\x40\x1f\0\0", 16_000)), Some(2_000));
        assert_eq!(millis(b"ID3\x04\0".to_vec()), None);
    }

    #[test]
    fn no_broken_header_is_read_past_its_end() {
        let whole = [wav(1), ogg(b"OpusHead\x01\x01\x38\x01", 1)];
        for bytes in whole {
            for end in 4..bytes.len().min(200) {
                if let Some(recording) = Recording::of(bytes[..end].to_vec()) {
                    recording.millis();
                }
            }
        }
        let endless = b"RIFF\0\0\0\0WAVELIST\xff\xff\xff\xffdata\xff\xff\xff\xff".to_vec();
        assert_eq!(Recording::of(endless).unwrap().millis(), None);
    }

    #[test]
    fn a_declared_type_may_be_one_of_several_names() {
        assert!(AudioKind::Webm.is_declared_by("video/webm; codecs=opus"));
        assert!(AudioKind::Mp3.is_declared_by("Audio/MPEG"));
        assert!(!AudioKind::Mp3.is_declared_by("audio/wav"));
    }
}
