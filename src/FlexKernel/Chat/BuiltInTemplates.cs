namespace FlexKernel.Chat;

/// <summary>The sources of the built-in templates.</summary>
internal static class BuiltInTemplates
{
    public const string ImStart = """
        {%- for message in messages -%}
        {{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
        {%- endfor -%}
        {%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}
        """;

    public const string Tulu = """
        {{- bos_token or '<|endoftext|>' -}}
        {%- for message in messages -%}
        {%- if message.role == 'system' -%}
        {{ '<|system|>\n' + message.content + '\n' }}
        {%- elif message.role == 'user' -%}
        {{ '<|user|>\n' + message.content + '\n' }}
        {%- elif message.role == 'assistant' -%}
        {{ '<|assistant|>\n' + message.content + (eos_token or '<|endoftext|>') }}{% if not loop.last %}{{ '\n' }}{% endif %}
        {%- else -%}
        {{ raise_exception('The template tulu has no role ' + message.role) }}
        {%- endif -%}
        {%- endfor -%}
        {%- if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}
        """;

    public const string Plain = """
        {%- for message in messages -%}
        {{ message.content }}{% if not loop.last %}{{ '\n' }}{% endif %}
        {%- endfor -%}
        """;
}
