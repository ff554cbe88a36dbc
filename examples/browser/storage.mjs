// What this browser keeps from visit to visit: one record for each bundle, in IndexedDB.

function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function table(mode) {
  const request = indexedDB.open("nngraph-digits", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("runs");
  const database = await settled(request);
  const transaction = database.transaction("runs", mode);
  transaction.oncomplete = transaction.onabort = () => database.close();
  return transaction.objectStore("runs");
}

export const kept = async (key) => settled((await table("readonly")).get(key));
export const keep = async (key, record) => settled((await table("readwrite")).put(record, key));
export const forget = async (key) => settled((await table("readwrite")).delete(key));
