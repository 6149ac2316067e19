// Promise: the official Node clients of Ollama and OpenAI work, unchanged, with every kind of provider behind.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ollama } from 'ollama'
import OpenAI from 'openai'

const base = process.env.POLYLLAMA_URL
const ollama = new Ollama({ host: base })
const openai = new OpenAI({ baseURL: `${base}/v1`, apiKey: 'unused', maxRetries: 0 })
// One to chat with from each provider, and which of its models sees where that one doesn't.
const models = [
  'openai:gpt-4o',
  'google:gemini-2.5-flash',
  'llama3.2',
  'openrouter:anthropic/claude-sonnet-4.5',
  'akash:deepseek-ai/DeepSeek-V3.1',
  'cohere:command-a-03-2025',
  'codestral:codestral-latest',
  'qwen:qwen3-vl-plus',
]
const seeing = {
  'akash:deepseek-ai/DeepSeek-V3.1': 'akash:meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8',
  'cohere:command-a-03-2025': 'cohere:command-a-vision-07-2025',
  'codestral:codestral-latest': null,
}
const listed = models.map((model) => (model === 'llama3.2' ? 'llama3.2:latest' : model))
const broken = ['openai', 'google', 'ollama', 'openrouter', 'akash', 'cohere', 'codestral', 'qwen']
const hello = 'Hello from the model'
const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const seen = `An image of ${Buffer.from(pixel, 'base64').length} bytes`
const messages = [{ role: 'user', content: 'Hi' }]
const schema = {
  type: 'object',
  properties: { city: { type: 'string' }, degrees: { type: 'integer' } },
  required: ['city', 'degrees'],
  additionalProperties: false,
}
const tool = (name, field) => ({
  type: 'function',
  function: {
    name,
    description: 'Tells it.',
    parameters: { type: 'object', properties: { [field]: { type: 'string' } }, required: [field] },
  },
})
const tools = [tool('get_weather', 'city'), tool('get_time', 'zone')]
const calls = [
  ['get_weather', { city: 'Paris' }],
  ['get_time', { zone: 'UTC' }],
]

async function all(stream) {
  const out = []
  for await (const item of await stream) out.push(item)
  return out
}

for (const model of models) {
  test(`ollama chat, ${model}`, async () => {
    const answer = await ollama.chat({ model, messages })
    assert.equal(answer.message.content, hello)
    assert.equal(answer.eval_count, 7)
    const chunks = await all(ollama.chat({ model, messages, stream: true }))
    assert.equal(chunks.map((chunk) => chunk.message.content).join(''), hello)
    assert.equal(chunks.at(-1).done, true)
  })

  test(`ollama generate, ${model}`, async () => {
    assert.equal((await ollama.generate({ model, prompt: 'Hi' })).response, hello)
    const chunks = await all(ollama.generate({ model, prompt: 'Hi', stream: true }))
    assert.equal(chunks.map((chunk) => chunk.response).join(''), hello)
  })

  test(`ollama tools, ${model}`, async () => {
    const { message } = await ollama.chat({ model, messages, tools })
    assert.deepEqual(message.tool_calls.map((call) => [call.function.name, call.function.arguments]), calls)
    const results = message.tool_calls.map((call, i) => ({
      role: 'tool',
      content: ['20', 'noon'][i],
      tool_name: call.function.name,
    }))
    const last = await ollama.chat({ model, messages: [...messages, message, ...results], tools })
    assert.match(last.message.content, /20.*noon/)
  })

  test(`ollama image and structure, ${model}`, async () => {
    const eyes = seeing[model] === undefined ? model : seeing[model]
    const asked = [{ role: 'user', content: 'What is it?', images: [pixel] }]
    if (eyes) assert.equal((await ollama.chat({ model: eyes, messages: asked })).message.content, seen)
    const formed = await ollama.chat({ model, messages, format: schema })
    assert.deepEqual(JSON.parse(formed.message.content), { city: 'Paris', degrees: 20 })
  })

  test(`openai chat, ${model}`, async () => {
    const answer = await openai.chat.completions.create({ model, messages })
    assert.equal(answer.choices[0].message.content, hello)
    assert.equal(answer.usage.total_tokens, 18)
    const stream_options = { include_usage: true }
    const chunks = await all(openai.chat.completions.create({ model, messages, stream: true, stream_options }))
    assert.equal(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join(''), hello)
    assert.equal(chunks.at(-1).usage.completion_tokens, 7)
  })

  test(`openai completions, ${model}`, async () => {
    assert.equal((await openai.completions.create({ model, prompt: 'Hi' })).choices[0].text, hello)
    const chunks = await all(openai.completions.create({ model, prompt: 'Hi', stream: true }))
    assert.equal(chunks.map((chunk) => chunk.choices[0]?.text ?? '').join(''), hello)
  })

  test(`openai tools, ${model}`, async () => {
    const answer = await openai.chat.completions.create({ model, messages, tools })
    const { message } = answer.choices[0]
    assert.equal(answer.choices[0].finish_reason, 'tool_calls')
    assert.deepEqual(message.tool_calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]), calls)
    const results = message.tool_calls.map((call, i) => ({
      role: 'tool',
      tool_call_id: call.id,
      content: ['20', 'noon'][i],
    }))
    const last = await openai.chat.completions.create({ model, messages: [...messages, message, ...results], tools })
    assert.match(last.choices[0].message.content, /20.*noon/)
    const final = await openai.chat.completions.stream({ model, messages, tools }).finalChatCompletion()
    assert.deepEqual(final.choices[0].message.tool_calls.map((call) => call.function.name), ['get_weather', 'get_time'])
  })

  test(`openai image and structure, ${model}`, async () => {
    const content = [
      { type: 'text', text: 'What is it?' },
      { type: 'image_url', image_url: { url: `data:image/png;base64,${pixel}` } },
    ]
    const eyes = seeing[model] === undefined ? model : seeing[model]
    if (eyes) {
      const answer = await openai.chat.completions.create({ model: eyes, messages: [{ role: 'user', content }] })
      assert.equal(answer.choices[0].message.content, seen)
    }
    const response_format = { type: 'json_schema', json_schema: { name: 'weather', strict: true, schema } }
    const formed = await openai.chat.completions.create({ model, messages, response_format })
    assert.equal(JSON.parse(formed.choices[0].message.content).degrees, 20)
  })
}

test('lists', async () => {
  const rows = (await ollama.list()).models
  const ids = (await all(openai.models.list())).map((row) => row.id)
  for (const model of listed) {
    assert.ok(rows.some((row) => row.model === model) && ids.includes(model), model)
    assert.ok((await ollama.show({ model })).capabilities.includes('completion'), model)
  }
  assert.equal((await openai.models.retrieve('openai:gpt-4o')).id, 'openai:gpt-4o')
})

test('errors', async () => {
  const unknown = { model: 'nobody-knows-me', messages }
  await assert.rejects(ollama.chat(unknown), { status_code: 404, message: /nobody-knows-me/ })
  await assert.rejects(openai.chat.completions.create(unknown), { status: 404, code: 'model_not_found' })
  for (const model of broken.map((prefix) => `${prefix}:broken`)) {
    for (const stream of [false, true]) {
      const asked = { model, messages, stream }
      await assert.rejects(ollama.chat(asked), { status_code: 400, message: /the model is broken/ })
      await assert.rejects(openai.chat.completions.create(asked), { status: 400, message: /the model is broken/ })
    }
  }
})
