using FlexKernel.Model;

namespace FlexKernel.Extensions.AI;

/// <summary>What clients and generators on a model answer when they are asked for a service.</summary>
internal static class ModelServices
{
    /// <summary>Finds a service.</summary>
    /// <param name="asked">The client or generator that is asked.</param>
    /// <param name="metadata">Its metadata.</param>
    /// <param name="model">Its model.</param>
    /// <param name="serviceType">What is wanted.</param>
    /// <param name="serviceKey">No service has a key.</param>
    public static object? Find(object asked, object metadata, LanguageModel model, Type serviceType, object? serviceKey)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType == metadata.GetType() ? metadata
            : serviceType == typeof(LanguageModel) ? model
            : serviceType == typeof(ModelDescription) ? model.Description
            : serviceType == typeof(ExpertCatalogue) ? model.Experts
            : serviceType.IsInstanceOfType(asked) ? asked
            : null;
    }
}
