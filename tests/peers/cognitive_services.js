// npm cognitive-services 1.2.3. It knows https and the host of the API only, so the requests are redirected here.
const assert = require("node:assert");
const http = require("node:http");
const https = require("node:https");

const service = new URL(process.argv[2]);
https.request = (options, callback) =>
  http.request(
    {
      ...options,
      protocol: "http:",
      agent: http.globalAgent,
      host: service.hostname,
      hostname: service.hostname,
      port: service.port,
      headers: { ...options.headers, host: service.host },
    },
    callback,
  );

const { bingImageSearchV7 } = require("cognitive-services");

(async () => {
  const client = new bingImageSearchV7({ apiKey: "peer-test-key" });
  const found = await client.search({ parameters: { q: "bird", count: 5 }, headers: {} });
  console.log("search:", found.value.map((image) => image.name));
  for (const [name, parameters] of [
    ["imgUrl", { imgUrl: found.value[0].contentUrl, modules: "All" }],
    ["insightsToken", { insightsToken: found.value[0].imageInsightsToken, modules: "All" }],
  ]) {
    const insights = await client.imageInsights({ parameters, headers: {} });
    assert.ok(insights.visuallySimilarImages.value.length > 0, JSON.stringify(insights));
    console.log(`imageInsights, ${name}:`, insights.bestRepresentativeQuery.text, Object.keys(insights).length, "fields");
  }
  console.log("1 passed, 0 failed");
})().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
