//! Private keys in the operating system's store: the Secret Service of a Linux desktop, the keychain of macOS.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::Error;
use crate::key::{PublicKey, SecretKey};

/// Under which name the store shows the entries.
const SERVICE: &str = "geod";

/// Keeps a key; one that is there already stays the same, as it has the same public key.
pub(super) fn put(secret: &SecretKey) -> Result<(), Error> {
    let text = Zeroizing::new(STANDARD.encode(secret.to_bytes().as_slice()));
    apart(&secret.public(), move |entry| entry.set_password(&text))
}

/// The private half of a key that [`put`] kept.
pub(super) fn get(public: &PublicKey) -> Result<SecretKey, Error> {
    let text = Zeroizing::new(apart(public, |entry| entry.get_password())?);
    let bytes = STANDARD.decode(text.as_bytes()).map(Zeroizing::new);
    let key = bytes.ok().and_then(|bytes| SecretKey::from_bytes(&bytes).ok());
    key.filter(|key| key.public() == *public)
        .ok_or_else(|| Error::Os("its entry is not the private half of this key".to_owned()))
}

/// Forgets a key.
pub(super) fn remove(public: &PublicKey) -> Result<(), Error> {
    apart(public, |entry| match entry.delete_credential() {
        Err(keyring::Error::NoEntry) => Ok(()),
        result => result,
    })
}

/// Runs in a thread of its own: the library waits on a runtime, which is not allowed inside another one.
fn apart<T: Send>(
    public: &PublicKey,
    work: impl FnOnce(keyring::Entry) -> Result<T, keyring::Error> + Send,
) -> Result<T, Error> {
    let user = hex::encode(public.as_bytes());
    let result = std::thread::scope(|scope| {
        scope.spawn(move || keyring::Entry::new(SERVICE, &user).and_then(work)).join()
    });
    match result {
        Ok(result) => result.map_err(|error| Error::Os(error.to_string())),
        Err(_) => Err(Error::Os("it ended unexpectedly".to_owned())),
    }
}
