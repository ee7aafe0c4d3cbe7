using FlexKernel.Adapters;
using FlexKernel.Chat;
using FlexKernel.Checkpoints;
using FlexKernel.Model;
using Microsoft.Extensions.Options;

namespace FlexKernel.Extensions.AI;

/// <summary>Checks ranges.</summary>
[OptionsValidator]
internal sealed partial class FlexKernelOptionsValidator : IValidateOptions<FlexKernelOptions>;

/// <summary>Checks against the model directory what would otherwise fail after minutes of loading.</summary>
internal sealed class FlexKernelModelValidator : IValidateOptions<FlexKernelOptions>
{
    public ValidateOptionsResult Validate(string? name, FlexKernelOptions options)
    {
        ValidateOptionsResultBuilder errors = new();
        if (options.ChatTemplate is { } template && !IsBuiltIn(template))
        {
            errors.AddError($"no built-in template is named '{template}'; there are im_start and tulu.", nameof(options.ChatTemplate));
        }

        if (options.ModelPath.Length > 0)
        {
            CheckModel(options, errors);
        }

        if (options.Adapter is { } adapter)
        {
            CheckAdapter(adapter, errors);
        }

        return errors.Build();
    }

    private static bool IsBuiltIn(string template)
    {
        try
        {
            return ChatTemplate.BuiltIn(template) is not null;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    private static void CheckModel(FlexKernelOptions options, ValidateOptionsResultBuilder errors)
    {
        string config = Path.Combine(options.ModelPath, new LoadOptions().ConfigFile);
        if (!File.Exists(config))
        {
            errors.AddError($"there is no model in '{options.ModelPath}': '{config}' does not exist.", nameof(options.ModelPath));
            return;
        }

        try
        {
            CheckExperts(options, ModelConfigReader.Read(config), errors);
        }
        catch (CheckpointException e)
        {
            errors.AddError(e.Message, nameof(options.ModelPath));
        }
    }

    // Whether its tensors fit the model is found out before any weight is read.
    private static void CheckAdapter(string adapter, ValidateOptionsResultBuilder errors)
    {
        try
        {
            AdapterConfig.Read(Path.Combine(adapter, AdapterConfig.FileName));
        }
        catch (CheckpointException e)
        {
            errors.AddError(e.Message, nameof(FlexKernelOptions.Adapter));
        }
    }

    private static void CheckExperts(FlexKernelOptions options, ModelDescription model, ValidateOptionsResultBuilder errors)
    {
        ExpertCatalogue catalogue = ExpertCatalogue.Of(model);
        if (options.ActiveExperts > catalogue.Count)
        {
            errors.AddError($"{options.ActiveExperts}; the model has {catalogue.Count} experts.", nameof(options.ActiveExperts));
        }

        try
        {
            ExpertSelection selection = options.Experts();
            if (selection != ExpertSelection.All)
            {
                selection.Resolve(catalogue);
            }
        }
        catch (ArgumentException e)
        {
            errors.AddError(e.Message, $"{nameof(options.AllowedExperts)}, {nameof(options.ExcludedExperts)}");
        }
    }
}
