// fetch of Node.js sends `Accept-Language: *` by itself.
import assert from "node:assert";

const url = process.argv[2];
for (const query of ["q=bird&setLang=de", "q=bird&cc=DE&setLang=de", "q=bird&cc=DE"]) {
  const response = await fetch(`${url}/v7.0/images/search?${query}`);
  const answer = await response.json();
  assert.equal(response.status, 200, JSON.stringify(answer));
  assert.ok(answer.value.length > 0);
  console.log(`fetch of Node.js ${process.version}, ${query}:`, response.status, answer.value.slice(0, 3).map((i) => i.name));
}
console.log("1 passed, 0 failed");
