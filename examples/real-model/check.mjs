// The official JavaScript client against a running Antiphon:
//   npm install openai zod
//   ANTIPHON_URL=http://127.0.0.1:8484 ANTIPHON_API_KEY=… node check.mjs local/markov-choir
import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

const model = process.argv[2];
const client = new OpenAI({
  baseURL: (process.env.ANTIPHON_URL ?? "http://127.0.0.1:8484") + "/v1",
  apiKey: process.env.ANTIPHON_API_KEY,
});

const whole = await client.responses.create({ model, input: "hello" });
console.log("whole       ", whole.status, "-", whole.output_text);

const stream = client.responses.stream({ model, input: "the weather" });
let deltas = 0;
for await (const event of stream) if (event.type === "response.output_text.delta") deltas++;
console.log("stream      ", deltas, "deltas -", (await stream.finalResponse()).output_text);

const City = z.object({ name: z.string(), population: z.number() });
const parsed = await client.responses.parse({
  model, input: "a city", max_output_tokens: 300, text: { format: zodTextFormat(City, "city") },
});
console.log("parse       ", parsed.output_parsed);

const weather = {
  type: "function", name: "get_weather", strict: true,
  parameters: {
    type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false,
  },
};
const asked = await client.responses.create({
  model, input: "weather?", tools: [weather], tool_choice: { type: "function", name: "get_weather" },
});
const call = asked.output[0];
const told = await client.responses.create({
  model, previous_response_id: asked.id,
  input: [{ type: "function_call_output", call_id: call.call_id, output: "mild" }],
});
console.log("tool loop   ", call.name, call.arguments, "-", told.output_text);

const conversation = await client.conversations.create({ items: [{ type: "message", role: "user", content: "hi" }] });
await client.responses.create({ model, conversation: conversation.id, input: "and now?" });
let items = 0;
for await (const _ of client.conversations.items.list(conversation.id)) items++;
console.log("conversation", items, "items");
