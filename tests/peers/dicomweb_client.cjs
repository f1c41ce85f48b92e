// What the dicomweb-client of npm, unmodified, sees of one study; dcmjs reads each file that it retrieved.
// Usage: node dicomweb_client.cjs <folder of node_modules> <base URL> <key> <study UID>
"use strict";
const { createHash } = require("node:crypto");
const { createRequire } = require("node:module");

const [folder, url, key, studyInstanceUID] = process.argv.slice(2);
const load = createRequire(folder + "/");
global.XMLHttpRequest = load("xhr2"); // the client is made for browsers
const { api } = load("dicomweb-client");
const dcmjs = load("dcmjs");
dcmjs.log.setLevel("error");

// The client knows no way to ask a study for its stored transfer syntax (its mediaTypes end in an error of its own),
// so its hook says it.
const asStored = 'multipart/related; type="application/dicom"; transfer-syntax=*';
const hook = (request, metadata) => {
  if (/\/studies\/[0-9.]+$/.test(metadata.url)) request.setRequestHeader("Accept", asStored);
  return request;
};
const headers = { Authorization: `Bearer ${key}` };
const client = new api.DICOMwebClient({ url, headers, requestHooks: [hook] });
const value = (ds, tag) => ds[tag].Value[0];

async function look() {
  const studies = await client.searchForStudies();
  const series = await client.searchForSeries({ studyInstanceUID });
  const instances = await client.searchForInstances({ studyInstanceUID });
  const metadata = await client.retrieveStudyMetadata({ studyInstanceUID });
  const files = await client.retrieveStudy({ studyInstanceUID });
  return {
    studies: studies.map((ds) => value(ds, "0020000D")),
    series: series.map((ds) => value(ds, "0020000E")),
    instances: instances.map((ds) => value(ds, "00080018")),
    metadata: metadata.map((ds) => value(ds, "00080018")),
    digests: files.map((file) => createHash("sha256").update(Buffer.from(file)).digest("hex")),
    read: files.map((file) => value(dcmjs.data.DicomMessage.readFile(file).dict, "00080018")),
  };
}

look().then(
  (seen) => console.log(JSON.stringify(seen)),
  (error) => {
    console.error(error instanceof Error ? error.stack : error);
    process.exit(1);
  },
);
