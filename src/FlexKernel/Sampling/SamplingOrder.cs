namespace FlexKernel.Sampling;

/// <summary>In which order the filters act; biases, penalties, bans and temperature come before them in both.</summary>
public enum SamplingOrder
{
    /// <summary>As Hugging Face <c>generate</c>: top-k, top-p, min-p, typical-p, epsilon, eta.</summary>
    HuggingFace,

    /// <summary>As servers of the OpenAI API built on vLLM: min-p, top-k, top-p; then typical-p, epsilon, eta.</summary>
    OpenAI,
}
